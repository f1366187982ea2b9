"""Outside of a model's environment there is nothing to collect here."""

from __future__ import annotations

import os
from pathlib import Path

#: The model in whose environment the tests run; set by ``python -m tests.inside``.
INSIDE = os.environ.get("MULTIVERSE_TESTS_INSIDE")
collect_ignore = [
    path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name != INSIDE
]
