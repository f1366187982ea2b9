"""Epochs are read, and followed while they are written, whatever is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from multiverse.contract.epochs import Epoch, EpochFollower, read_epochs
from multiverse.contract.files import READ_BYTES


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


@pytest.mark.parametrize(
    "line",
    [
        "nope",
        "[]",
        "3",
        '{"epoch": "x"}',
        '{"epoch": true}',
        '{"epoch": -1}',
        '{"epoch": 1, "total": "x"}',
        '{"epoch": 9999999999999}',
        "[" * 5000,
        '{"loss": NaN}',
    ],
)
def test_nonsense_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line + "\n")
    assert EpochFollower(path).look() is None
    assert list(read_epochs(path)) == []


def test_links_and_fifos_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"epoch": 1}\n')
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert EpochFollower(tmp_path / "link").look() is None
    os.mkfifo(tmp_path / "fifo")
    assert EpochFollower(tmp_path / "fifo").look() is None
    assert list(read_epochs(tmp_path / "link")) == []
    assert list(read_epochs(tmp_path / "fifo")) == []
    assert list(read_epochs(tmp_path / "absent")) == []
    (tmp_path / "second").hardlink_to(tmp_path / "real")
    assert list(read_epochs(tmp_path / "second")) == []
    assert EpochFollower(tmp_path / "second").look() is None


def test_a_line_without_end_does_not_fill_memory(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (READ_BYTES * 5) + b"\n" + b'{"epoch": 7}\n')
    follower = EpochFollower(path)
    for _ in range(8):
        follower.look()
    assert follower.latest is not None
    assert follower.latest.number == 7


def test_a_whole_file_is_read_up_to_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "loss": 2, "time": 5.5, "x": NaN}\n\n{"epoch": 2}\n{"epoch": 3')
    assert list(read_epochs(path)) == [Epoch(1, None, {"loss": 2.0}), Epoch(2, None, {})]


def test_a_total_is_a_limit_only_where_the_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"epoch": 1, "total": 9, "limit": true}\n{"epoch": 2, "total": 9}\n'
        '{"epoch": 3, "total": 9, "limit": 1}\n{"epoch": 4, "limit": true}\n'
    )
    assert list(read_epochs(path)) == [
        Epoch(1, 9, {}, limit=True),
        Epoch(2, 9, {}),
        Epoch(3, 9, {"limit": 1.0}),
        Epoch(4, None, {}),
    ]


def test_names_and_values_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    many = {f"m{number}": 1 for number in range(1100)}
    path.write_text(json.dumps({"epoch": 1, "x" * 201: 1, **many}) + "\n" + '{"epoch": 2, "a": 1}')
    first, second = read_epochs(path)
    assert len(first.values) == 1000
    assert "x" * 201 not in first.values
    assert second.values == {"a": 1.0}
    monkeypatch.setattr("multiverse.contract.epochs.MAX_VALUES", 1000)
    assert [epoch.number for epoch in read_epochs(path)] == [1]
