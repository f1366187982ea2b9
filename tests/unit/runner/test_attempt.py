"""What an attempt tells while it runs."""

from __future__ import annotations

import threading
from pathlib import Path

from multiverse.engines.local import LocalEngine
from multiverse.events import Event, Printed
from multiverse.runner.attempt import Attempts
from multiverse.runs.folder import ResultsFolder


def attempts(folder: Path, told: list[Event], *, verbose: bool) -> Attempts:
    results = ResultsFolder(folder)
    return Attempts(LocalEngine(), results, told.append, threading.Event(), verbose)


def test_a_character_that_comes_in_two_chunks_is_one(tmp_path: Path) -> None:
    told: list[Event] = []
    making = attempts(tmp_path, told, verbose=True)
    echo, other = making._echo("a"), making._echo("b")
    assert echo is not None
    assert other is not None
    echo(b"half of \xc3")
    other(b"between")
    echo(b"\xa9\xff")
    texts = [(event.run_id, event.text) for event in told if isinstance(event, Printed)]
    assert texts == [("a", "half of "), ("b", "between"), ("a", "é\N{REPLACEMENT CHARACTER}")]


def test_without_verbose_nobody_hears_what_a_model_prints(tmp_path: Path) -> None:
    assert attempts(tmp_path, [], verbose=False)._echo("a") is None
