"""``python -m multiverse``."""

import sys

from multiverse.cli.main import main

sys.exit(main())
