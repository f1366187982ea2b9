"""The process that looks at files: bounded, one child a file, and none that outlives its asker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
import psutil
import pytest

from multiverse.contract import CellNames, FindingKind
from multiverse.contract.child_check import (
    EXAMINER,
    CheckBounds,
    Examiner,
    check_apart,
    search_path,
)
from multiverse.contract.finding import Finding
from multiverse.errors import Cancelled, ChecksUnavailable

MIB = 1024**2
Found = TypeVar("Found")
#: A bound that only something that hangs reaches.
PATIENCE_SECONDS = 120.0
FEW = CellNames(("a", "b", "c", "d"))
MANY = CellNames(tuple(f"cell{number}" for number in range(100_000)))
CHUNK = (1000, 10_000)
#: Looks at one file as a command does, and is ended from outside.
ASKER = """
import json, sys
from pathlib import Path
from multiverse.contract.cells import CellNames
from multiverse.contract.child_check import check_apart
names = CellNames(tuple(json.loads(Path(sys.argv[2]).read_text())))
check_apart(Path(sys.argv[1]), names, max_bytes=2**33)
"""


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    path = tmp_path / "honest.h5"
    with h5py.File(path, "w") as file:
        file["latent"] = np.arange(8.0).reshape(4, 2)
        file["obs_names"] = FEW.names
    return path


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four megabytes that unpack to four gigabytes, all of them allowed."""
    path = tmp_path_factory.mktemp("busy") / "busy.h5"
    packed = zlib.compress(bytes(4 * CHUNK[0] * CHUNK[1]), 6)
    with h5py.File(path, "w") as file:
        latent = file.create_dataset(
            "latent", (len(MANY), CHUNK[1]), "f4", chunks=CHUNK, compression="gzip"
        )
        for row in range(0, len(MANY), CHUNK[0]):
            latent.id.write_direct_chunk((row, 0), packed)
        file["obs_names"] = MANY.names
    return path


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def until(found: Callable[[], Found]) -> Found:
    """What is found, as soon as it is something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError("it did not come")


def looking(examiner: psutil.Process) -> list[psutil.Process]:
    return [child for child in examiner.children() if child.is_running()]


def of_this_process() -> list[psutil.Process]:
    process = EXAMINER._process
    return [] if process is None else looking(psutil.Process(process.pid))


def ended(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def check(path: Path, cells: CellNames = FEW) -> list[Finding]:
    return check_apart(path, cells, max_bytes=64 * MIB)


def test_a_file_is_looked_at_while_another_is(
    honest: Path, busy: Path, pool: ThreadPoolExecutor
) -> None:
    stop = threading.Event()
    slow = pool.submit(check_apart, busy, MANY, max_bytes=64 * MIB, cancelled=stop)
    until(of_this_process)
    quick = [pool.submit(check, honest) for _ in range(4)]
    assert [future.result(PATIENCE_SECONDS) for future in quick] == [[]] * 4
    assert not slow.done()
    stop.set()
    with pytest.raises(Cancelled):
        slow.result(PATIENCE_SECONDS)


def test_a_stop_on_request_ends_whoever_looks(busy: Path, pool: ThreadPoolExecutor) -> None:
    stop = threading.Event()
    asked = pool.submit(check_apart, busy, MANY, max_bytes=64 * MIB, cancelled=stop)
    (child,) = until(of_this_process)
    stop.set()
    with pytest.raises(Cancelled):
        asked.result(PATIENCE_SECONDS)
    until(lambda: ended(child))


def test_a_check_that_was_stopped_before_it_began(honest: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        check_apart(honest, FEW, max_bytes=MIB, cancelled=stop)


def test_too_long_on_the_clock(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiverse.contract.child_check.PATIENCE", 0.02)
    (finding,) = check(busy, MANY)
    assert finding == Finding(FindingKind.UNREADABLE, "busy.h5", "could not be read within 0.3 s")


def test_too_long_at_computing(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiverse.contract.child_check.CPU_SECONDS", -4)
    monkeypatch.setattr("multiverse.contract.child_check.PATIENCE", PATIENCE_SECONDS)
    (finding,) = check(busy, MANY)
    assert finding.message == "could not be read within 1 s of computing"


def test_the_time_follows_from_the_size() -> None:
    small = CheckBounds.of(200_000, 1000)
    assert (small.cpu_seconds, small.seconds) == (10, 40)
    atlas = CheckBounds.of(400 * MIB, 1_000_000)
    assert (atlas.cpu_seconds, atlas.seconds) == (85, 340)


def test_a_crash_of_the_library_ends_one_check(
    honest: Path, busy: Path, pool: ThreadPoolExecutor
) -> None:
    asked = pool.submit(check, busy, MANY)
    (child,) = until(of_this_process)
    child.send_signal(signal.SIGSEGV)
    (finding,) = asked.result(PATIENCE_SECONDS)
    assert finding.message == "can't be read: it crashes the HDF5 library (SIGSEGV)"
    assert check(honest) == []


def test_a_process_that_was_killed_is_replaced(
    honest: Path, busy: Path, pool: ThreadPoolExecutor
) -> None:
    stop = threading.Event()
    asked = pool.submit(check_apart, busy, MANY, max_bytes=64 * MIB, cancelled=stop)
    (child,) = until(of_this_process)
    process = EXAMINER._process
    assert process is not None
    process.kill()
    until(lambda: ended(child))
    assert check(honest) == []
    assert EXAMINER._process is not process
    until(of_this_process)  # the file is looked at again
    stop.set()
    with pytest.raises(Cancelled):
        asked.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_nobody_outlives_the_command(busy: Path, tmp_path: Path, number: signal.Signals) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(MANY.names))
    command = subprocess.Popen([sys.executable, "-c", ASKER, str(busy), str(names)])
    asker = psutil.Process(command.pid)
    (examiner,) = until(asker.children)
    (child,) = until(lambda: looking(examiner))
    command.send_signal(number)
    command.wait(PATIENCE_SECONDS)
    until(lambda: ended(examiner) and ended(child))


def test_what_takes_the_place_of_a_file_is_not_seen(honest: Path, tmp_path: Path) -> None:
    """The name is of another file as soon as the first one is open."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["latent"] = np.arange(8.0).reshape(4, 2)
        file["obs_names"] = ["somebody", "else's", "cells", "!"]
    with honest.open("rb") as stream:
        honest.unlink()
        honest.symlink_to(tmp_path / "other.h5")
        request = json.dumps({"names": FEW.names, **vars(CheckBounds.of(0, 4))}).encode()
        answer = EXAMINER.ask(stream.fileno(), request, PATIENCE_SECONDS, None)
    assert answer.code == 0
    assert answer.text == "[]" or "real path" in answer.text, "what the library says of it"
    with pytest.raises(OSError, match="is a symbolic link"):
        check(honest)


def test_many_at_a_time(honest: Path, pool: ThreadPoolExecutor) -> None:
    asked: list[Future[list[Finding]]] = [pool.submit(check, honest) for _ in range(50)]
    assert [future.result(PATIENCE_SECONDS) for future in asked] == [[]] * 50
    assert EXAMINER._process is not None
    assert psutil.Process(EXAMINER._process.pid).num_fds() < 20


@pytest.mark.parametrize("chunks", [None, (7, 3), (100, 1), (1, 5), (100, 5)])
def test_every_block_is_looked_at_once(
    tmp_path: Path, chunks: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multiverse.contract.embeddings import _blocks, check_embeddings

    monkeypatch.setattr("multiverse.contract.embeddings.BLOCK_BYTES", 256)
    monkeypatch.setattr("multiverse.contract.embeddings.BAND_BYTES", 512)
    names = [str(number) for number in range(100)]
    points = np.random.default_rng(0).normal(size=(100, 5))
    for row, column in ((0, 0), (57, 4), (99, 2)):
        path = tmp_path / f"{row}.h5"
        with h5py.File(path, "w") as file:
            latent = file.create_dataset("latent", data=points, chunks=chunks)
            latent[row, column] = np.nan
            file["obs_names"] = names
            seen = np.zeros(latent.shape, int)
            for block in _blocks(latent):
                seen[block] += 1
            assert (seen == 1).all()
        ((kind, message),) = check_embeddings(path, names)
        assert kind is FindingKind.NOT_FINITE
        assert f"first in row {row}" in message


@pytest.fixture
def another() -> Iterator[Examiner]:
    examiner = Examiner()
    yield examiner
    examiner._end()


def test_a_package_that_is_not_found_is_named(
    another: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h5py.py").write_text("raise ModuleNotFoundError('No module named mpi4py')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ChecksUnavailable, match=r"exit code 1: .*No module named mpi4py"):
        another.try_out()
    monkeypatch.delenv("PYTHONPATH")
    another.try_out()


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true", "/bin/false"])
def test_a_python_that_is_none(
    another: Examiner, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a program that has Python built in."""
    monkeypatch.setattr(sys, "executable", python)
    another.start()
    with pytest.raises(ChecksUnavailable, match="checks outputs does not work here"):
        another.try_out()


def test_a_process_that_does_not_answer_is_replaced(
    another: Examiner, honest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another.try_out()
    process = another._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("multiverse.contract.child_check.GRACE_SECONDS", 0.5)
    request = json.dumps({"names": FEW.names, **vars(CheckBounds.of(0, 4))}).encode()
    with honest.open("rb") as stream:
        with pytest.raises(ChecksUnavailable, match=r"no answer within \d s"):
            another.ask(stream.fileno(), request, 0.5, None)
        until(lambda: ended(psutil.Process(process.pid)) if psutil.pid_exists(process.pid) else 1)
        assert another.ask(stream.fileno(), request, PATIENCE_SECONDS, None).text == "[]"


def test_a_check_that_the_system_kills_says_nothing_of_the_file(
    busy: Path, pool: ThreadPoolExecutor
) -> None:
    asked = pool.submit(check, busy, MANY)
    for _ in range(2):
        (child,) = until(of_this_process)
        child.kill()
        until(partial(ended, child))
    with pytest.raises(ChecksUnavailable, match="ended by SIGKILL, as by a system"):
        asked.result(PATIENCE_SECONDS)


def test_the_search_path_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"::/modules/numpy:lib:.:{tmp_path}:/modules/numpy")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), "/of/the/notebook", "/modules/numpy"])
    root, *others = search_path().split(":")
    assert Path(root, "multiverse/contract/examiner.py").is_file()
    assert others == ["/modules/numpy", str(tmp_path / "lib"), "/of/the/notebook"]


def test_a_script_of_a_librarys_name_in_the_current_folder(
    another: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h5py.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f":{tmp_path.parent}:")
    another.try_out()
