"""The entry point: parses, dispatches, and alone turns failures into exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from multiverse.cli.parser import make_parser

if TYPE_CHECKING:
    from types import FrameType

    from multiverse.errors import MultiverseError

EXIT_INTERRUPTED = 130
EXIT_NO_READER = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        _unwind_on_signals()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that lacks a character
        return _command(arguments)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)  # noqa: T201 - the terminal is this module's business
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NO_READER


def _command(arguments: Sequence[str] | None) -> int:
    parsed = make_parser().parse_args(arguments)
    from multiverse.errors import MultiverseError

    name = parsed.command.replace("-", "_")
    try:
        command = import_module(f"multiverse.cli.{name}")
        code: int = command.main(command.read(parsed))
    except MultiverseError as error:
        _explain(error)
        return error.exit_code
    return code


def _explain(error: MultiverseError) -> None:
    from multiverse.cli.terminal import print_error

    print_error(str(error), error.remedy)


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM.

    A class of its own: CPython notes a plain KeyboardInterrupt that passes through ``exec`` (as
    dataclasses use it while modules are imported), and then ends the process by the signal even
    if it was caught.
    """


def _unwind_on_signals() -> None:
    """Make SIGTERM end a command as Ctrl-C does: by unwinding, so that nothing is left behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupted

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, interrupt)
    except ValueError:  # not the main thread: somebody else decides
        return


if __name__ == "__main__":
    sys.exit(main())
