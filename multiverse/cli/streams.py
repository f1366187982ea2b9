"""Standard streams that may be closed, full, gone, or unable to show a character."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = range(3)
UTF8_MODE = "PYTHONUTF8"
#: How long a reader that has taken nothing is waited for, before it is asked again (seconds).
PAUSE_SECONDS = 1.0


class StandardOutput(io.FileIO):
    """A standard stream whose failure costs what is shown, not what is done.

    ``failure`` is what the operating system said when something could not be written: a full
    disk, a terminal that has gone. What comes after it is dropped. A reader that has gone is
    raised, as everywhere (BrokenPipeError): whoever wanted the output has had enough of it.
    """

    failure: OSError | None = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)

    def write(self, data: ReadableBuffer, /) -> int:
        while self.failure is None:
            try:
                written = super().write(data)
            except BrokenPipeError:
                raise
            except OSError as error:
                self.failure = error
                break
            if written is not None:
                return written
            select.select([], [self.fileno()], [], PAUSE_SECONDS)  # a pipe that does not block
        return memoryview(data).nbytes


def open_streams() -> None:
    """Make the process's standard streams usable, whatever it was started with.

    A closed one is replaced by nowhere: otherwise the next file that is opened would get its
    number, and what is printed would be written into it. Streams that somebody else has put in
    place (a test, a notebook) are kept, but for characters that they can't show.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        _open_if_closed(descriptor)
    sys.stdout = _usable(sys.stdout, sys.__stdout__, STDOUT)
    sys.stderr = _usable(sys.stderr, sys.__stderr__, STDERR)


def speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has another encoding of file names.

    Records, Docker and reports name files in UTF-8; a name is bytes, and in UTF-8 mode it stays
    what it is. What is printed keeps the encoding of the terminal.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get(UTF8_MODE) == "1":
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    environment = {"PYTHONIOENCODING": f"{encoding}:replace", **os.environ, UTF8_MODE: "1"}
    with suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def failure_of(stream: TextIO) -> OSError | None:
    """Flush a stream, and return what could not be written and why; None if all was.

    Raises BrokenPipeError where its reader has gone.
    """
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: somebody has closed it
        return error if isinstance(error, OSError) else None
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, StandardOutput) else None


def drop_output() -> None:
    """Send what is still to be printed nowhere: the reader has gone, or can't be written to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (STDOUT, STDERR):
        if _has_no_reader(descriptor):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


def reader_has_gone() -> bool:
    """Return whether nobody reads standard output or standard error any more."""
    return _has_no_reader(STDOUT) or _has_no_reader(STDERR)


def _has_no_reader(descriptor: int) -> bool:
    try:
        poll = select.poll()
        poll.register(descriptor, 0)  # errors are told without being asked for
        return any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0))
    except OSError:
        return True


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:
            return
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        os.set_inheritable(descriptor, True)


def _usable(stream: TextIO | None, original: TextIO | None, descriptor: int) -> TextIO:
    """Return a text stream that never fails for a character, nor for what it is written to."""
    if stream is not None and stream is not original:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(StandardOutput(descriptor)),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="replace",
        line_buffering=descriptor == STDERR or (stream is not None and stream.isatty()),
    )
