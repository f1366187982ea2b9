"""Commands at work in a folder in which somebody exchanges names for links all the time."""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import PATIENCE_SECONDS, Bench

ADVERSARY = Path(__file__).with_name("adversary.py")
CONTENT = "what the reader keeps for himself"
ROUNDS = 2
CODES = {0, 1, 4, 5}
#: Opened, read, changed, made, moved or removed: all but a look at what a link leads to.
WATCHED = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800


class Canary:
    """A folder of the user's own that nobody has any business with; tells who touched it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("1", "2", "naughty", "output", "small", "staged", "a" * 16):
            for inner in (".", "1", "output", "naughty", "b" * 16):
                (folder / name / inner).mkdir(parents=True, exist_ok=True)
        names = ("run.json", "started.json", "container.log", "metrics.json", "report.html")
        for place in (folder, *[path for path in folder.rglob("*") if path.is_dir()]):
            for name in names:
                (place / name).write_text(CONTENT)
        self._before = self._listing()
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names = {}
        for place in (folder, *[path for path in folder.rglob("*") if path.is_dir()]):
            number = libc.inotify_add_watch(self._descriptor, os.fsencode(place), WATCHED)
            assert number > 0, os.strerror(ctypes.get_errno())
            self._names[number] = place

    def _listing(self) -> list[tuple[str, int, int, str]]:
        found = []
        for path in sorted(self.folder.rglob("*")):
            facts = path.lstat()
            text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found.append((str(path), facts.st_mode, facts.st_mtime_ns, text))
        return found

    def touched(self) -> list[str]:
        """Return what happened to it, as the kernel has told."""
        content = b""
        with suppress(BlockingIOError):
            while block := os.read(self._descriptor, 65536):
                content += block
        events, offset = [], 0
        while offset < len(content):
            number, mask, _, length = struct.unpack_from("iIII", content, offset)
            name = content[offset + 16 : offset + 16 + length].rstrip(b"\0").decode()
            events.append(f"{self._names.get(number, '?')}/{name}: {mask:#x}")
            offset += 16 + length
        return events

    def check(self) -> None:
        assert self.touched() == []
        assert self._listing() == self._before


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    made = Canary(tmp_path / "canary")
    yield made
    os.close(made._descriptor)


def test_the_canary_sings(canary: Canary) -> None:
    """What it is for: it hears every kind of touch that a command could make."""
    for touch in (
        lambda: (canary.folder / "1" / "run.json").read_text(),
        lambda: os.listdir(canary.folder / "1"),  # noqa: PTH208
        lambda: (canary.folder / "new").mkdir(),
        lambda: (canary.folder / "2" / "run.json").unlink(),
    ):
        assert canary.touched() == []
        touch()
        assert canary.touched()


def work(bench: Bench, *arguments: object) -> tuple[str, int, str]:
    command = [sys.executable, "-m", "multiverse", *map(str, arguments)]
    code, said = bench.run(command)
    return str(arguments[0]), code, said


def races(bench: Bench, canary: Canary, rounds: int) -> list[tuple[str, int, str]]:
    """Let commands work while somebody exchanges names; return how each ended."""
    command = [sys.executable, str(ADVERSARY), str(bench.results), str(canary.folder), "12"]
    adversary = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ended = []
    try:
        for number in range(rounds):
            more = ("-j", "2") if number % 2 else ("--rerun", "-j", "1")
            runners = [
                bench.start(bench.command("good", "fail", "extra", more=more)) for _ in range(2)
            ]
            ended += [
                work(bench, "runs", bench.results),
                work(bench, "report", bench.results, "--figures"),
                work(bench, "status", bench.results),
                work(bench, "clean", bench.results, "--yes", "--attempts"),
                work(bench, "verify", bench.results),
            ]
            for runner in runners:
                said, _ = runner.communicate(timeout=PATIENCE_SECONDS)
                ended.append(("run", runner.returncode, said))
    finally:
        made, _ = adversary.communicate()
    assert int(made) > 100
    return ended


def check(bench: Bench, canary: Canary, ended: list[tuple[str, int, str]]) -> None:
    for name, code, said in ended:
        assert code in CODES, f"{name}: {code}: {said}"
        assert "Traceback" not in said, f"{name}: {said}"
        assert CONTENT not in said
    canary.check()
    content = CONTENT.encode()
    for path in bench.results.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert content not in path.read_bytes(), path


def test_nothing_outside_is_touched(local_bench: Bench, canary: Canary) -> None:
    code, said = local_bench.run(local_bench.command("good"))
    assert code == 0, said
    ended = races(local_bench, canary, ROUNDS)
    check(local_bench, canary, ended)
