"""``python -m multiverse.runner.cli``: the short form of ``multiverse run``, kept for scripts."""

import sys

if __name__ == "__main__":
    from multiverse.cli.main import main

    sys.exit(main(["run", *sys.argv[1:]]))
