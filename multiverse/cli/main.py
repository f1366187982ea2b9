"""The entry point: parses, dispatches, and alone turns failures into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from multiverse.cli.parser import make_parser

if TYPE_CHECKING:
    from multiverse.errors import MultiverseError

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parsed = make_parser().parse_args(arguments)
    from multiverse.errors import MultiverseError

    _terminate_like_interrupt()
    try:
        code: int = import_module(f"multiverse.cli.{parsed.command}").main(parsed)
    except MultiverseError as error:
        _explain(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)  # noqa: T201 - the terminal is this module's business
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _explain(error: MultiverseError) -> None:
    from multiverse.cli.terminal import print_error

    print_error(str(error), error.remedy)


def _terminate_like_interrupt() -> None:
    """SIGTERM ends a command as Ctrl-C does: by unwinding, so that nothing is left behind."""
    import signal
    from types import FrameType

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: somebody else decides
        return


if __name__ == "__main__":
    sys.exit(main())
