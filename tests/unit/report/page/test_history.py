"""What is read of a run's training and log, and what is not trusted in an attempt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiverse.contract.curves import Curve
from multiverse.report.page.history import log_tail, read_history, summary, tail
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from tests.unit.report.page.folder import Data, add_failure, add_run


def only_run(results: ResultsFolder) -> Run:
    (run,) = Results.open(results).runs
    return run


def test_history_of_a_complete_run(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    add_run(results, Data(), "pca", epochs={"loss": [3.0, 1.0]})
    assert read_history(only_run(results)) == [Curve("loss", "epoch", ((1, 3.0), (2, 1.0)))]


def test_epochs_of_an_attempt_up_to_its_end(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    add_failure(results, Data(), "pca")
    assert read_history(only_run(results)) == [Curve("loss", "epoch", ((1, 2.0), (2, 1.0)))]


@pytest.mark.parametrize("line", ["[1]", "{", '{"loss": "x"}', '{"loss": NaN}', "[" * 100_000])
def test_epochs_that_mean_nothing(tmp_path: Path, line: str) -> None:
    results = ResultsFolder(tmp_path)
    add_failure(results, Data(), "pca")
    run = only_run(results)
    AttemptFolder(run.folder).output.epochs.write_text(f'{line}\n{{"epoch": 2, "loss": 4}}\n')
    assert read_history(run) == [Curve("loss", "epoch", ((2, 4.0),))]


def test_the_table_says_what_a_series_is_per() -> None:
    curve = Curve("elbo", "iteration", ((1, -3.0), (6, -4.0), (11, -2.0)))
    assert summary([curve]) == [("elbo", "iteration", 3, -3.0, -4.0, -2.0)]


def test_a_link_or_a_fifo_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    link, fifo = tmp_path / "link", tmp_path / "fifo"
    link.symlink_to(secret)
    os.mkfifo(fifo)
    assert tail(link) == []
    assert tail(fifo) == []
    assert tail(tmp_path / "absent") == []
    assert tail(secret) == ["password"]


def test_the_end_of_a_long_log(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    lines = [f"line {number}" for number in range(100_000)]
    add_run(results, Data(), "pca", log="\n".join(lines))
    assert log_tail(only_run(results)) == lines[-60:]


def test_control_sequences_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x08\xff\n" + b"y" * 5000)
    red, long = tail(path)
    assert red == "red x \ufffd"
    assert len(long) == 400
