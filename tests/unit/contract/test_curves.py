"""Every series is read with what it is per, by one rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multiverse.contract.curves import Curve, read_curves, read_model_metrics
from multiverse.contract.paths import OutputFiles


def written(folder: Path, metrics: Any = None, epochs: str = "") -> OutputFiles:
    output = OutputFiles(folder)
    if metrics is not None:
        output.metrics.write_text(json.dumps(metrics))
    if epochs:
        output.epochs.write_text(epochs)
    return output


def test_without_an_axis_a_history_is_per_epoch(tmp_path: Path) -> None:
    (curve,) = read_curves(written(tmp_path, {"history": {"loss": [3, 2]}}))
    assert curve == Curve("loss", "epoch", ((1, 3.0), (2, 2.0)))
    assert curve.over_time
    assert (curve.numbers, curve.values) == ([1, 2], [3.0, 2.0])


def test_without_an_axis_the_epochs_have_the_numbers(tmp_path: Path) -> None:
    epochs = '{"epoch": 20, "loss": 2}\n{"epoch": 10, "loss": 9}\n{"epoch": 10, "loss": 3}\n'
    output = written(tmp_path, {"history": {"loss": [9, 8, 7], "kl": [1]}}, epochs)
    assert read_curves(output) == [
        Curve("loss", "epoch", ((10, 3.0), (20, 2.0))),
        Curve("kl", "epoch", ((1, 1.0),)),
    ]


def test_an_axis_counts_before_the_epochs(tmp_path: Path) -> None:
    metrics = {
        "history": {"elbo": [1, 2], "variance": [0.5, 0.25]},
        "history_axes": {"elbo": {"per": "iteration", "at": [1, 6]}, "variance": {"per": "factor"}},
    }
    elbo, variance = read_curves(written(tmp_path, metrics, '{"epoch": 3, "elbo": 1}\n'))
    assert elbo == Curve("elbo", "iteration", ((1, 1.0), (6, 2.0)))
    assert variance == Curve("variance", "factor", ((1, 0.5), (2, 0.25)))
    assert elbo.over_time
    assert not variance.over_time


def test_time_is_no_curve(tmp_path: Path) -> None:
    metrics = {"history": {"time": [1, 2]}, "history_axes": {"time": {"per": "iteration"}}}
    assert read_curves(written(tmp_path, metrics, '{"epoch": 1, "time": 3.5}\n')) == []


@pytest.mark.parametrize(
    "axis",
    [3, [], {}, {"per": 3}, {"per": ""}, {"per": "x" * 41}, {"per": "a\nb"}, {"at": None}],
)
def test_an_axis_that_says_nothing_is_none(tmp_path: Path, axis: Any) -> None:
    metrics = {"history": {"loss": [3]}, "history_axes": {"loss": axis}}
    assert read_curves(written(tmp_path, metrics)) == [Curve("loss", "epoch", ((1, 3.0),))]


def test_points_that_are_none_are_left_out(tmp_path: Path) -> None:
    metrics = {
        "model_metrics": {"a": 1, "b": "x", "c": float("inf")},
        "history": {"loss": [3, "x", 1, float("nan"), 5], "gone": ["x"], "odd": 3},
        "history_axes": {"loss": {"per": "step", "at": [0, 1, True, 3, [4]]}},
    }
    output = written(tmp_path, metrics)
    assert read_curves(output) == [Curve("loss", "step", ((0, 3.0),))]
    assert read_model_metrics(output) == {"a": 1.0}


@pytest.mark.parametrize("metrics", [[], 3, {"history": [], "model_metrics": None}, None])
def test_files_of_another_form_hold_nothing(tmp_path: Path, metrics: Any) -> None:
    output = written(tmp_path, metrics)
    assert read_curves(output) == []
    assert read_model_metrics(output) == {}
