"""The nodes that come with flowaudio, one file a family."""
