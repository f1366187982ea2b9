"""The numbers that a model reported: of every epoch, and at its end."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.contract.curves import Curve, read_curves, read_model_metrics
from multiverse.contract.paths import OutputFiles
from multiverse.tracking.names import fitting_name


@dataclass(frozen=True)
class MetricPoint:
    """One value of one metric. ``step``: the epoch, from 1; 0 for what has none."""

    name: str
    value: float
    step: int = 0


def read_points(output: OutputFiles) -> list[MetricPoint]:
    """Return ``epoch/<name>`` of every epoch, and ``model/<name>`` of what was measured at the end.

    A history that is per iteration or evaluation has that number as its step. What is not
    measured in the course of training is ``per_<word>/<name>``, such as ``per_factor/variance``,
    with the number of the factor as its step. MLflow's steps are integers of 64 bits.
    """
    return [
        MetricPoint(name, value, step)
        for curve in read_curves(output)
        for name in [fitting_name(f"{_group(curve)}/{curve.name}")]
        for step, value in curve.points
    ] + [
        MetricPoint(fitting_name(f"model/{name}"), value)
        for name, value in read_model_metrics(output).items()
    ]


def _group(curve: Curve) -> str:
    return "epoch" if curve.over_time else f"per_{curve.per}"
