"""What the operating system says about a results folder, as an error a user can act on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiverse.errors import ResultsError, UsageError
from multiverse.runs.writing import disk_errors


@contextmanager
def folder_errors(folder: str | Path) -> Iterator[None]:
    """Turn an OSError about a results folder into :class:`ResultsError` that names the file.

    One that is about another place, or about a connection, stays what it is.
    """
    place = Path(folder)
    try:
        with disk_errors(place):
            yield
    except OSError as error:
        if isinstance(error, ConnectionError) or not _is_inside(place, error):
            raise
        raise _told(place, error) from error


def check_name(folder: Path) -> None:
    """Raise :class:`UsageError` for a path whose bytes are no text in this locale, nor in UTF-8.

    Records, Docker and the report name the folder in UTF-8.
    """
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:
        raw = os.fsencode(folder)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise UsageError(
                f"the name of the folder {raw!r} is no text: it is not UTF-8",
                remedy="Give the folder another name, or choose another one.",
            ) from error
        raise UsageError(
            f"this locale has no letters for the folder {text}",
            remedy="Use one with UTF-8: LC_ALL=C.UTF-8, or PYTHONUTF8=1, before the command.",
        ) from error


def _is_inside(folder: Path, error: OSError) -> bool:
    """Return whether an error is about a file of the folder; one without a name may be."""
    if error.filename is None or isinstance(error.filename, int):
        return True
    named = Path(os.fsdecode(error.filename))
    return len(named.parts) == 1 or named.absolute().is_relative_to(folder.absolute())


def _told(folder: Path, error: OSError) -> ResultsError:
    if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):  # noqa: PTH112
        return ResultsError(
            f"{folder} is not there any more: it was moved or removed meanwhile",
            remedy="Put it back under that name, then run the same command again.",
        )
    names = [_text(name) for name in (error.filename, error.filename2) if name]
    places = " and ".join(names) or folder
    return ResultsError(
        f"{places}: {error.strerror or error}",
        remedy="Mend that, or choose another folder.",
    )


def _text(name: str | bytes | int) -> str:
    return f"file {name}" if isinstance(name, int) else os.fsdecode(name)
