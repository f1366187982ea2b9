"""``python -m multiverse.evaluation``: one evaluation, in its container or environment."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Prepare the places for compiled code, load the libraries, evaluate."""
    from multiverse.worker.caches import writable_caches

    with writable_caches(), tempfile.TemporaryDirectory(prefix="scores-") as scratch:
        from multiverse.evaluation.libraries import load

        load(Path(scratch, "jax"))
        from multiverse.evaluation.run import evaluate

        return evaluate(Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
