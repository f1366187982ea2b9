"""One process at a time: who waits says so once, and can be told to stop."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from multiverse.errors import Cancelled, NoLocks, ResultsError
from multiverse.exclusive import exclusive
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import RunLocks, folder_lock


def test_the_second_waits_says_so_once_and_goes_on(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    said: list[str] = []
    waits, done = threading.Event(), threading.Event()

    def tell() -> None:
        said.append("waiting")
        waits.set()

    def second() -> None:
        with exclusive(lock, waiting=tell):
            done.set()

    other = threading.Thread(target=second)
    with exclusive(lock):
        other.start()
        assert waits.wait(10)
        assert not done.wait(0.3)
    other.join(10)
    assert done.is_set()
    assert said == ["waiting"]
    assert lock.exists(), "removing it would let two lock different files"


def test_nobody_waits_longer_than_told(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        for seconds in (0, 0.1):
            with pytest.raises(TimeoutError), exclusive(tmp_path / "lock", seconds=seconds):
                pass
    with exclusive(tmp_path / "lock", seconds=0):
        pass


def test_waiting_ends_on_request(tmp_path: Path) -> None:
    cancelled = threading.Event()
    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(Cancelled),
        exclusive(tmp_path / "lock", waiting=cancelled.set, cancelled=cancelled),
    ):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "second name"])
def test_a_lock_that_is_not_ours_is_neither_waited_for_nor_changed(
    tmp_path: Path, kind: str
) -> None:
    precious, lock = tmp_path / "precious", tmp_path / "lock"
    precious.write_text("mine")
    match kind:
        case "link":
            lock.symlink_to(precious)
        case "dangling":
            lock.symlink_to(tmp_path / "nothing")
        case "fifo":
            os.mkfifo(lock)
        case "folder":
            lock.mkdir()
        case _:
            lock.hardlink_to(precious)
    with pytest.raises(OSError, match="lock"), exclusive(lock, seconds=0):
        pass
    assert precious.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_lock_of_which_there_is_a_backup_by_hard_links(tmp_path: Path) -> None:
    lock, run_id = tmp_path / "lock", "a" * 16
    with exclusive(lock):
        (tmp_path / "backup").hardlink_to(lock)
    with exclusive(lock):
        pass
    locks = RunLocks(ResultsFolder(tmp_path / "results"))
    (tmp_path / "results" / "attempts").mkdir(parents=True)
    ResultsFolder(tmp_path / "results").run_lock(run_id).hardlink_to(lock)
    with pytest.raises(ResultsError, match="hard link"):  # it would be written to
        locks.acquire(run_id)
    assert lock.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_lock_with_a_second_name_that_is_of_another_owner(tmp_path: Path) -> None:
    precious, lock = tmp_path / "precious", tmp_path / "lock"
    precious.touch()
    os.chown(precious, 65534, 65534)
    lock.hardlink_to(precious)
    with pytest.raises(OSError, match="hard link"), exclusive(lock, seconds=0):
        pass


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get
)
def test_a_file_system_without_locks_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As network file systems answer whose lock server is not there."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    results = ResultsFolder(tmp_path)
    for locked in (exclusive(tmp_path / "lock"), folder_lock(results)):
        with pytest.raises(NoLocks, match="its file system has no locks") as caught, locked:
            pytest.fail("it was not locked")
        assert "another disk" in str(caught.value.remedy)
    with pytest.raises(NoLocks):
        RunLocks(results).acquire("a" * 16)
