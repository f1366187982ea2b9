"""``python -m multiverse.evaluation``: one evaluation, in its container or environment."""

from __future__ import annotations

import sys

from multiverse.evaluation.run import main

if __name__ == "__main__":
    sys.exit(main())
