"""Attempts to use up what a machine has: processes, memory, disk, patience."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from .honest import EMBEDDINGS, OUTPUT, good

MIB = 1024**2
GIB = 1024**3


def fork_until_refused() -> None:
    """As many sleeping processes as there may be, all left behind."""
    made = 0
    try:
        while made < 5000:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
            made += 1
    except OSError:
        pass
    good({"processes": float(made)})


def fork_without_end() -> None:
    """The classical bomb: every process makes more of them, and none heeds TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("the bomb is lit", flush=True)
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.05)


def fill(folder: str) -> None:
    """A file in memory, until there is no more of it."""
    block = b"x" * MIB
    with (Path(folder) / "large").open("wb", buffering=0) as file:
        for _ in range(4096):
            file.write(block)
    good()


def many_small_files_in_memory() -> None:
    """Empty files: they take the kernel's memory, not the file system's."""
    made = 0
    try:
        for made in range(1_000_000):
            os.close(os.open(f"/tmp/{made}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pass
    good({"files": float(made)})


def one_large_file() -> None:
    """The first byte beyond the largest allowed file; what is before it takes no disk."""
    with (OUTPUT / "large").open("wb") as file:
        file.seek(16 * GIB - 1)
        file.write(b"x")
        file.flush()
        print("as large as it may be", flush=True)
        file.write(b"x")
        file.flush()
    good()


def sparse_giant() -> None:
    os.truncate(os.open(EMBEDDINGS, os.O_CREAT | os.O_WRONLY), 1024**5)
    good()


def many_large_files() -> None:
    """Half a gigabyte, none of the files large; then it waits to be stopped."""
    for number in range(512):
        (OUTPUT / f"part{number}").write_bytes(b"x" * MIB)
        time.sleep(0.005)
    time.sleep(600)


def many_files() -> None:
    """More files than anybody reads, in folders of their own; then it waits to be stopped."""
    for number in range(30_000):
        if number % 1000 == 0:
            (OUTPUT / f"folder{number}").mkdir()
        os.close(os.open(OUTPUT / f"folder{number // 1000 * 1000}/{number}", os.O_CREAT))
    time.sleep(600)


def deep_folders() -> None:
    """A complete output, and beside it folders in folders, far beyond what a path may name."""
    good()
    os.chdir(OUTPUT)
    for _ in range(3000):
        Path("deep").mkdir()
        os.chdir("deep")


def one_endless_line() -> None:
    """100 MB of log without the end of a line."""
    block = b"x" * MIB
    for _ in range(100):
        os.write(1, block)
    good()


def write_after_the_end() -> None:
    """A child in a session of its own, that spoils the output when its parent has ended."""
    if os.fork() == 0:
        os.setsid()
        for signal_number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(signal_number, signal.SIG_IGN)
        while True:
            time.sleep(0.01)
            if os.getppid() == 1:
                (OUTPUT / "run.log").write_text("written after the end\n")
    good()


def kill_everything() -> None:
    print("nothing shall live", flush=True)
    with suppress(ProcessLookupError):  # nobody else is there to be killed
        os.kill(-1, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
