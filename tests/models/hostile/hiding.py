"""Attempts to fill the disk where nobody looks: in closed folders, and never in the same place."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .honest import OUTPUT

MIB = 1024**2
#: Files that are open before their folder is closed, and then written.
FILES = 400


def opened(folder: Path) -> list[int]:
    folder.mkdir(exist_ok=True)
    flags = os.O_CREAT | os.O_WRONLY
    return [os.open(folder / f"part{number}", flags) for number in range(FILES)]


def write_to(files: list[int]) -> None:
    """Write a MiB to each, slowly enough to be stopped on the way; then wait for that."""
    for descriptor in files:
        os.write(descriptor, b"x" * MIB)
        time.sleep(0.005)
    time.sleep(600)


def in_closed_folder(place: str, mode: int) -> None:
    files = opened(OUTPUT / "in")
    (OUTPUT / place).chmod(mode)
    write_to(files)


def many_files_in_a_closed_folder() -> None:
    folder = OUTPUT / "in"
    folder.mkdir()
    for number in range(30_000):
        os.close(os.open(folder / f"{number}", os.O_CREAT))
    folder.chmod(0)
    OUTPUT.chmod(0)
    time.sleep(600)


def meanwhile(act: Callable[[int], object]) -> None:
    """Do something without end, in a thread beside."""

    def again() -> None:
        for number in itertools.count():
            act(number)

    threading.Thread(target=again, daemon=True).start()


def closed_again_and_again(place: str) -> None:
    files, path = opened(OUTPUT / "in"), OUTPUT / place
    meanwhile(lambda _: path.chmod(0))
    write_to(files)


def renamed_without_end() -> None:
    files = opened(OUTPUT / "in0")
    meanwhile(lambda number: (OUTPUT / f"in{number}").rename(OUTPUT / f"in{number + 1}"))
    write_to(files)


def exit_as_if_killed(code: int) -> None:
    """An exit code that engines give to what was killed."""
    print("by itself", flush=True)
    os._exit(code)
