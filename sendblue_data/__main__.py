"""`python -m sendblue_data`: the same as `sendblue-data`."""

import sys

from sendblue_data.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
