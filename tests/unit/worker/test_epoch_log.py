"""An epoch's line says what the total is: how many there will be, or the most that there can be."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from multiverse.contract.epochs import read_epochs
from multiverse.errors import MultiverseError
from multiverse.worker.epochs import EpochLog


def test_a_limit_is_told_beside_its_total_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    epochs = EpochLog(path, logging.getLogger("test"))
    epochs.add(1, 100, {"loss": 0.5})
    epochs.add(2, 100, {"loss": 0.25}, limit=True)
    epochs.add(3, None, {"loss": 0.125}, limit=True)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"epoch": 1, "total": 100, "loss": 0.5},
        {"epoch": 2, "total": 100, "limit": True, "loss": 0.25},
        {"epoch": 3, "loss": 0.125},
    ]
    assert [epoch.limit for epoch in read_epochs(path)] == [False, True, False]


def test_the_words_of_a_line_are_no_names_for_values(tmp_path: Path) -> None:
    epochs = EpochLog(tmp_path / "metrics.jsonl", logging.getLogger("test"))
    with pytest.raises(MultiverseError, match="no names for values"):
        epochs.add(1, 100, {"limit": 5.0})
