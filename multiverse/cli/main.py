"""The entry point: parses, dispatches, and alone turns failures into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from multiverse.cli.parser import make_parser
from multiverse.cli.streams import (
    drop_output,
    failure_of,
    open_streams,
    reader_has_gone,
    speak_utf8,
)

if TYPE_CHECKING:
    from multiverse.errors import MultiverseError

EXIT_INTERRUPTED = 130
EXIT_NO_READER = 1
EXIT_NOT_WRITTEN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    Nothing is raised: what no code expected is one sentence, with the exit code of
    :class:`~multiverse.errors.Unforeseen`, and a log. Without ``arguments``, the process is the
    command's own: after it nothing is left that a signal would have to unwind.
    """
    from multiverse.runner import CommandSignals

    signals = CommandSignals()
    try:
        if arguments is None:
            speak_utf8()
        open_streams()
        signals.take()
        code = _written(_command(arguments))
    except KeyboardInterrupt:
        with suppress(Exception):
            print("\nstopped", file=sys.stderr)  # noqa: T201 - the terminal is this module's business
        code = EXIT_INTERRUPTED
    except BrokenPipeError as error:
        code = EXIT_NO_READER if reader_has_gone() else _surprise(error)
        drop_output()
    except SystemExit as ended:  # rich, where the reader of its output has gone
        gone = isinstance(ended.__context__, BrokenPipeError)
        code = EXIT_NO_READER if gone else _surprise(ended)
        drop_output()
    except BaseException as error:
        code = _surprise(error)
    signals.leave(for_good=arguments is None)
    return code


def _command(arguments: Sequence[str] | None) -> int:
    try:
        parsed = make_parser().parse_args(arguments)
    except SystemExit as ended:  # --help, or what argparse could not understand
        return ended.code if isinstance(ended.code, int) else 2
    from multiverse.errors import MultiverseError

    if arguments is None:
        from multiverse.cli.surprise import watch_threads
        from multiverse.cli.terminal import show_warnings

        watch_threads()
        show_warnings()
    name = parsed.command.replace("-", "_")
    try:
        command = import_module(f"multiverse.cli.{name}")
        code: int = command.main(command.read(parsed))
    except MultiverseError as error:
        _explain(error)
        return error.exit_code
    return code


def _written(code: int) -> int:
    """Return the exit code of a command, or that of one whose output could not be written."""
    for stream, name in ((sys.stdout, "standard output"), (sys.stderr, "standard error")):
        failure = failure_of(stream)
        if failure is not None:
            from multiverse.cli.terminal import print_error

            print_error(f"{name} could not be written: {failure.strerror or failure}", None)
            code = code or EXIT_NOT_WRITTEN
    return code


def _surprise(error: BaseException) -> int:
    """Tell of what nobody foresaw, by whatever way is still open."""
    from multiverse.cli.surprise import unforeseen

    told = unforeseen(error)
    try:
        _explain(told)
        sys.stderr.flush()
    except Exception:  # no memory for a nice one
        with suppress(Exception):
            sys.stderr.write(f"error: {told}\n  next: {told.remedy}\n")
            sys.stderr.flush()
    return told.exit_code


def _explain(error: MultiverseError) -> None:
    from multiverse.cli.terminal import print_error

    print_error(str(error), error.remedy)


if __name__ == "__main__":
    sys.exit(main())
