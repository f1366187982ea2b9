"""``python -m multiverse.runner.cli``: the short form of ``multiverse run``, kept for scripts."""

import sys

if __name__ == "__main__":
    from multiverse.cli.main import main

    sys.argv.insert(1, "run")
    sys.exit(main())
