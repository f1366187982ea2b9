"""One process at a time: who waits says so once, and can be told to stop."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from multiverse.errors import Cancelled
from multiverse.exclusive import exclusive


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
