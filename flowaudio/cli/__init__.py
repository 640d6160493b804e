"""The command ``flowaudio``. Nothing heavy is loaded before a command that needs it runs."""
