"""Epochs are followed while they are written, whatever is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiverse.contract.files import READ_BYTES
from multiverse.runner.epochs import EpochFollower


def test_the_newest_complete_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    follower = EpochFollower(path)
    assert follower.look() is None
    with path.open("a") as stream:
        stream.write('{"epoch": 1, "total": 9, "loss": 2.5}\n{"epoch": 2, "to')
    epoch = follower.look()
    assert epoch is not None
    assert (epoch.number, epoch.total, epoch.values) == (1, 9, {"loss": 2.5})
    with path.open("a") as stream:
        stream.write('tal": 9, "loss": 1}\n')
    epoch = follower.look()
    assert epoch is not None
    assert epoch.number == 2


@pytest.mark.parametrize("line", ["nope", "[]", "3", '{"epoch": "x"}', "[" * 5000, '{"loss": NaN}'])
def test_nonsense_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line + "\n")
    assert EpochFollower(path).look() is None


def test_links_and_fifos_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"epoch": 1}\n')
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert EpochFollower(tmp_path / "link").look() is None
    os.mkfifo(tmp_path / "fifo")
    assert EpochFollower(tmp_path / "fifo").look() is None


def test_a_line_without_end_does_not_fill_memory(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (READ_BYTES * 5) + b"\n" + b'{"epoch": 7}\n')
    follower = EpochFollower(path)
    for _ in range(8):
        follower.look()
    assert follower.latest is not None
    assert follower.latest.number == 7
