"""`python -m crosspool`: the command line."""

import sys

from crosspool.cli import main

if __name__ == "__main__":
    sys.exit(main())
