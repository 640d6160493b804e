"""``python -m flowaudio``: the command, where it is not on the path."""

import sys

from flowaudio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
