"""`python -m hamon`."""

import sys

from hamon.cli import main

sys.exit(main())
