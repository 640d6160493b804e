"""Live sound: an engine that runs a graph between any source and any sink, and is changed while it runs."""
