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
    """Turn an OSError about a results folder into :class:`ResultsError` that names the file."""
    place = Path(folder)
    try:
        with disk_errors(place):
            yield
    except OSError as error:
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


def _told(folder: Path, error: OSError) -> ResultsError:
    if isinstance(error, FileNotFoundError) and not folder.is_dir():
        return ResultsError(
            f"{folder} is not there any more: it was moved or removed meanwhile",
            remedy="Put it back under that name, then run the same command again.",
        )
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
    places = " and ".join(names) or folder
    return ResultsError(
        f"{places}: {error.strerror or error}",
        remedy="Mend that, or choose another folder.",
    )
