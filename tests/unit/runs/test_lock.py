"""Runs are held one by one; a dead process holds nothing; no lock stays behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from multiverse.errors import ResultsError
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import RunLocks, prepare_folder


def hold_in_child(results: ResultsFolder, run_id: str) -> int:
    """A child process that holds a run until it is killed; returns its number."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"1" if RunLocks(results).acquire(run_id) else b"0")
        signal.pause()
        os._exit(0)
    assert os.read(reader, 1) == b"1"
    return child


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_run_is_held_against_others_and_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    prepare_folder(results)
    child = hold_in_child(results, "a" * 16)
    locks = RunLocks(results)
    assert not locks.acquire("a" * 16)
    assert locks.holder("a" * 16).startswith(f"process {child} on")
    assert locks.acquire("b" * 16)
    kill(child)
    assert locks.acquire("a" * 16)
    assert locks.holder("a" * 16).startswith(f"process {os.getpid()} on")
    assert sorted(locks.held()) == ["a" * 16, "b" * 16]


def test_the_files_of_locks_go_with_them(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    prepare_folder(results)
    locks = RunLocks(results)
    assert locks.acquire("a" * 16)
    assert locks.acquire("a" * 16), "what is ours already"
    locks.release("a" * 16)
    locks.release("a" * 16)
    assert not list(results.attempts.iterdir())


def test_two_runners_never_hold_one_run(tmp_path: Path) -> None:
    """Taking and giving back, with the file going away each time: never two at once."""
    results = ResultsFolder(tmp_path / "results")
    prepare_folder(results)
    inside, most, errors = [0], [0], []
    guard = threading.Lock()

    def compete() -> None:
        locks = RunLocks(results)  # one of its own, as another process has
        try:
            for _ in range(40):
                if not locks.acquire("a" * 16):
                    continue
                with guard:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                with guard:
                    inside[0] -= 1
                locks.release("a" * 16)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], errors) == (1, [])


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results")
    results.attempts.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    results.run_lock("a" * 16).symlink_to(victim)
    with pytest.raises(ResultsError, match="symbolic link"):
        RunLocks(results).acquire("a" * 16)
    assert victim.read_text() == "precious"
