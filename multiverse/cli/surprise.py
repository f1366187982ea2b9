"""What nobody foresaw: one sentence for people, and a log with the traceback for its mending."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse import __version__
from multiverse.errors import Unforeseen

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: Logs that are kept; with the next one the oldest goes.
MOST_LOGS = 20
_SUFFIX = ".log"
#: Of what a library says, no more is repeated in a sentence.
_MOST_WORDS = 500


def unforeseen(error: BaseException) -> Unforeseen:
    """Return what is told of an error that no code expected; its traceback is in a log.

    Where no log can be written, the traceback goes to standard error.
    """
    try:
        log = write_log(error)
    except Exception as why:
        with suppress(Exception):
            traceback.print_exception(error)
        remedy = f"Please report it with the traceback above: no log can be written ({why})."
    else:
        remedy = f"If that does not explain it, please report it with its log: {log}"
    return Unforeseen(in_words(error), remedy=remedy)


def in_words(error: BaseException) -> str:
    """Return what happened, and to which file, in one sentence."""
    text = (str(error).strip().splitlines() or [""])[0][:_MOST_WORDS]
    match error:
        case OSError(strerror=str(said)):
            names = [name for name in (error.filename, error.filename2) if name]
            places = " and ".join(map(_name, names))
            return f"{places}: {said}" if places else f"the operating system says: {said}"
        case MemoryError():
            return f"there is not enough memory for this{f': {text}' if text else ''}"
        case RecursionError():
            return "something is nested too deeply to be read or written"
        case UnicodeError():
            return f"a text can't be read or written as {_encoding(error)}: {text}"
    return f"something went wrong that was not foreseen: {type(error).__name__}: {text}"


def write_log(error: BaseException) -> Path:
    """Write the traceback to a file of its own, for its owner only; return its place.

    The folder ``errors`` of the user's cache keeps the newest :data:`MOST_LOGS`. Raises OSError.
    """
    from multiverse.registry import users_cache

    folder = users_cache() / "errors"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = folder / f"{moment}-{time.time_ns() % 10**9:09}-{os.getpid()}{_SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(f"multiverse {__version__}, Python {sys.version}, {platform.platform()}\n")
        stream.write(f"command: {' '.join(sys.argv[1:2])}\n\n")  # values may hold a password
        stream.writelines(traceback.format_exception(error))
    _remove_oldest(folder)
    return path


def watch_threads() -> None:
    """Have what escapes in a thread, or in a finaliser, told and logged in the same way.

    Python prints a traceback of it otherwise. A finaliser's is logged only: nothing is lost by
    it, and nobody can do anything about it.
    """
    threading.excepthook = _thread_ended
    sys.unraisablehook = _finaliser_failed


def _thread_ended(given: threading.ExceptHookArgs) -> None:
    error = given.exc_value
    if error is None or isinstance(error, SystemExit | KeyboardInterrupt):
        return
    from multiverse.cli.terminal import print_error

    told = unforeseen(error)
    with suppress(Exception):
        print_error(f"a part of this command has ended: {told}", told.remedy)


def _finaliser_failed(given: UnraisableHookArgs) -> None:
    error = given.exc_value
    if isinstance(error, KeyboardInterrupt):  # it came while an object was removed: ask again
        from multiverse.runner import ask_again

        ask_again()
    elif error is not None:
        with suppress(Exception):
            write_log(error)


def _remove_oldest(folder: Path) -> None:
    with suppress(OSError):
        logs = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
        for path in logs[:-MOST_LOGS]:
            path.unlink()


def _name(name: str | bytes | int) -> str:
    text = f"file {name}" if isinstance(name, int) else os.fsdecode(name)
    return text if len(text) <= 300 else f"{text[:150]}…{text[-100:]}"


def _encoding(error: UnicodeError) -> str:
    return str(getattr(error, "encoding", "text"))
