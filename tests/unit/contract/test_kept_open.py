"""Folders that are kept open while files that lie together are read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from multiverse.contract.files import read_regular
from multiverse.contract.folders import LinkOnTheWay, exists, kept_open, move, names_in


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        place = tmp_path / "a" / str(number)
        place.mkdir(parents=True)
        (place / "file").write_text(str(number))
    return tmp_path


def read(path: Path) -> bytes:
    return read_regular(path, max_bytes=100)


def test_every_file_is_the_one_that_is_named(folder: Path) -> None:
    before = descriptors()
    with kept_open():
        for _ in range(2):
            for number in range(3):
                assert read(folder / "a" / str(number) / "file") == str(number).encode()
        assert names_in(folder / "a") == ["0", "1", "2"]
        assert not exists(folder / "a" / "3" / "file")
        assert exists(folder / "a" / "0")
        assert not exists(folder / "b")
        with kept_open():
            assert read(folder / "a" / "1" / "file") == b"1"
        assert read(folder / "a" / "0" / "file") == b"0"
    assert descriptors() == before


def test_two_paths_are_used_at_once(folder: Path) -> None:
    with kept_open():
        assert read(folder / "a" / "0" / "file") == b"0"
        move(folder / "a" / "1" / "file", folder / "a" / "2" / "file")
        assert read(folder / "a" / "2" / "file") == b"1"


def test_no_link_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("a")
    with kept_open():
        assert read(folder / "a" / "0" / "file") == b"0"
        with pytest.raises(LinkOnTheWay, match="link"):
            read(folder / "link" / "0" / "file")
        with pytest.raises(ValueError, match="upwards"):
            read(folder / "a" / ".." / "a" / "0" / "file")
        assert read(folder / "a" / "0" / "file") == b"0"


def test_what_takes_the_place_of_a_folder_is_not_entered(folder: Path) -> None:
    (folder / "canary" / "0").mkdir(parents=True)
    (folder / "canary" / "0" / "file").write_text("canary")
    with kept_open():
        assert read(folder / "a" / "0" / "file") == b"0"
        (folder / "a").rename(folder / "moved")
        (folder / "a").symlink_to("canary")
        assert read(folder / "a" / "0" / "file") == b"0"  # where it is now
    with pytest.raises(LinkOnTheWay):
        read(folder / "a" / "0" / "file")


def test_each_thread_has_its_own(folder: Path) -> None:
    found: list[bytes] = []

    def look() -> None:
        with kept_open():
            found.extend(read(folder / "a" / str(number % 3) / "file") for number in range(300))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [b"0"] * 400 + [b"1"] * 400 + [b"2"] * 400
