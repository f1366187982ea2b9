"""What a model reported, read without trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multiverse.contract.paths import OutputFiles
from multiverse.tracking.entry import MAX_POINTS, MetricPoint, read_points


def written(folder: Path, metrics: Any = None, epochs: str | None = None) -> OutputFiles:
    output = OutputFiles(folder)
    if metrics is not None:
        output.metrics.write_text(json.dumps(metrics))
    if epochs is not None:
        output.epochs.write_text(epochs)
    return output


def test_epochs_are_steps(tmp_path: Path) -> None:
    """A model may report every tenth epoch; its history only knows their order."""
    metrics = {"model_metrics": {"loss": 0.5}, "history": {"loss": [3, 2], "kl": [1, 2]}}
    epochs = '{"epoch": 10, "total": 20, "loss": 3}\n{"epoch": 20, "total": 20, "loss": 2}\n'
    assert read_points(written(tmp_path, metrics, epochs)) == [
        MetricPoint("epoch/loss", 3.0, 10),
        MetricPoint("epoch/loss", 2.0, 20),
        MetricPoint("epoch/kl", 1.0, 1),
        MetricPoint("epoch/kl", 2.0, 2),
        MetricPoint("model/loss", 0.5),
    ]


def test_what_is_not_per_epoch_has_its_own_numbers_as_steps(tmp_path: Path) -> None:
    metrics = {
        "model_metrics": {},
        "history": {"elbo": [1, 2], "variance": [0.5, 0.25], "time": [1, 2]},
        "history_axes": {"elbo": {"per": "iteration", "at": [1, 6]}, "variance": {"per": "factor"}},
    }
    epochs = '{"epoch": 1, "elbo": 1, "time": 3}\n{"epoch": 6, "elbo": 2, "time": 4}\n'
    assert read_points(written(tmp_path, metrics, epochs)) == [
        MetricPoint("epoch/elbo", 1.0, 1),
        MetricPoint("epoch/elbo", 2.0, 6),
        MetricPoint("per_factor/variance", 0.5, 1),
        MetricPoint("per_factor/variance", 0.25, 2),
    ]


def test_an_epoch_that_is_told_twice_counts_as_it_was_told_last(tmp_path: Path) -> None:
    output = written(tmp_path, epochs='{"epoch": 1, "a": 1}\n{"epoch": 1, "a": 2}\n')
    assert read_points(output) == [MetricPoint("epoch/a", 2.0, 1)]


@pytest.mark.parametrize(
    "line",
    [
        "nothing",
        "[1, 2]",
        "null",
        "{}",
        '{"epoch": "1", "a": 1}',
        '{"epoch": -1, "a": 1}',
        '{"epoch": 1e99, "a": 1}',
        '{"epoch": 99999999999999999999, "a": 1}',
        '{"epoch": true, "a": 1}',
        '{"epoch": 1, "a": NaN}',
        '{"epoch": 1, "a": Infinity}',
        '{"epoch": 1, "a": true}',
        '{"epoch": 1, "a": [1]}',
        '{"epoch": 1, "a": ' + "9" * 400 + "}",
        '{"epoch": 1, "a": ' + "[" * 100_000,
    ],
)
def test_a_line_that_means_nothing_is_no_point(tmp_path: Path, line: str) -> None:
    output = written(tmp_path, epochs=f'{line}\n{{"epoch": 2, "b": 1}}\n')
    assert read_points(output) == [MetricPoint("epoch/b", 1.0, 2)]


@pytest.mark.parametrize(
    "metrics",
    [[], 3, {}, {"history": [], "model_metrics": None}, {"history": {"a": 3, "b": ["x", None]}}],
)
def test_metrics_of_another_form_are_none(tmp_path: Path, metrics: Any) -> None:
    assert read_points(written(tmp_path, metrics)) == []


def test_a_model_that_left_nothing(tmp_path: Path) -> None:
    assert read_points(OutputFiles(tmp_path)) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text('{"epoch": 1, "a": 1}\n')
    output = OutputFiles(tmp_path)
    output.epochs.symlink_to(elsewhere)
    assert read_points(output) == []


def test_curves_without_end_are_thinned(tmp_path: Path) -> None:
    """Each keeps its first and last value; a database takes the whole for half an hour."""
    history = {f"h{number}": [*range(1000)] for number in range(1000)}
    points = read_points(written(tmp_path, {"model_metrics": {}, "history": history}))
    assert len(points) <= MAX_POINTS + len(history)
    steps = [point.step for point in points if point.name == "epoch/h7"]
    assert (steps[0], steps[-1]) == (1, 1000)
    assert len(steps) > 90
