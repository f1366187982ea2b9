"""Somebody who may write in a results folder and exchanges what is in it for links, all the time.

    python adversary.py RESULTS CANARY SEED

Until its input ends; then everything is put back, and the number of exchanges is printed.
"""

from __future__ import annotations

import ctypes
import os
import random
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

AT_FDCWD, EXCHANGE = -100, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step."""
    names = os.fsencode(one), os.fsencode(other)
    return bool(_LIBC.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], EXCHANGE) == 0)


def targets(results: Path) -> list[Path]:
    """What a runner, a report and a clean-up work on at this moment; not by glob, which follows."""
    found = [results / name for name in ("attempts", "small", "figures", "report.html", "runs.csv",
             ".multiverse.lock", "plan.json", "benchmark.yaml", "scores.csv")]  # fmt: skip
    level = [results / "attempts", results / "small"]
    for _ in range(3):
        below: list[Path] = []
        for folder in level:
            with suppress(OSError):
                if not folder.is_symlink():
                    below += [folder / name for name in os.listdir(folder)]  # noqa: PTH208
        found += below
        level = below
    return found


def main() -> None:
    results, canary = Path(sys.argv[1]), Path(sys.argv[2])
    chance, made = random.Random(int(sys.argv[3])), 0  # noqa: S311 - no secret
    links = [results / f".{os.getpid()}-{name}" for name in ("folder", "file", "nowhere")]
    for link, target in zip(links, (canary, canary / "run.json", canary / "no"), strict=True):
        link.symlink_to(target)
    while not select.select([sys.stdin], [], [], 0)[0]:
        target, link = chance.choice(targets(results)), chance.choice(links)
        if not exchange(target, link):
            continue
        made += 1
        time.sleep(chance.choice((0, 0.0005, 0.002, 0.01)))
        if not exchange(target, link):  # somebody has removed, or replaced, the link
            put_back(link, target, canary)
        time.sleep(chance.choice((0, 0.001, 0.005)))
    for link in links:
        link.unlink(missing_ok=True)
    sys.stdout.write(str(made))


def put_back(held: Path, target: Path, canary: Path) -> None:
    """Give what was taken its place again, if that is free, and hold a link instead."""
    with suppress(OSError):
        held.rename(target)
    if not held.is_symlink():
        with suppress(OSError):
            held.rename(held.with_name(f"{held.name}-{time.monotonic_ns()}"))
        with suppress(OSError):
            held.symlink_to(canary)


if __name__ == "__main__":
    main()
