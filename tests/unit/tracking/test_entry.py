"""What MLflow is told of a run."""

from __future__ import annotations

import pytest

from multiverse.facts import Cause, GpuUsage, RunState, Usage
from multiverse.tracking.entry import entry_of, milliseconds
from tests.unit.tracking.made import record_of


@pytest.mark.parametrize(
    ("state", "cause", "status"),
    [
        (RunState.COMPLETE, None, "FINISHED"),
        (RunState.NOT_APPLICABLE, Cause.NOT_APPLICABLE, "FINISHED"),
        (RunState.FAILED, Cause.MODEL_ERROR, "FAILED"),
        (RunState.FAILED, Cause.KILLED, "KILLED"),
    ],
)
def test_status(state: RunState, cause: Cause | None, status: str) -> None:
    assert entry_of(record_of(state=state, cause=cause)).status == status


def test_the_experiment_is_the_recorded_one_unless_told() -> None:
    assert entry_of(record_of()).experiment == "pilot"
    assert entry_of(record_of(experiment="")).experiment == "multiverse"
    assert entry_of(record_of(), "other").experiment == "other"
    assert len(entry_of(record_of(), "x" * 600).experiment) == 500


def test_what_was_not_measured_is_no_metric() -> None:
    assert [point.name for point in entry_of(record_of(usage=Usage())).points] == [
        "resource/wall_seconds"
    ]
    with_gpu = entry_of(record_of(gpu=GpuUsage(name="NVIDIA", peak_memory_bytes=5)))
    assert with_gpu.tags["multiverse.gpu"] == "NVIDIA"
    assert with_gpu.points[-1].name == "resource/gpu_peak_memory_bytes"


def test_an_environment_stands_where_no_image_was_used() -> None:
    tags = entry_of(record_of(image=None, environment_lock="0" * 64)).tags
    assert tags["multiverse.environment_lock"] == "0" * 64
    assert not [name for name in tags if "image" in name]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:01+00:00", 1000),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1970-01-01T00:00:01", 1000),
        ("1960-01-01T00:00:00+00:00", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_times(time: str, expected: int | None) -> None:
    assert milliseconds(time) == expected


def test_a_run_without_an_end_ends_after_what_it_took() -> None:
    entry = entry_of(record_of(finished_at=""))
    assert entry.end - entry.start == 7500
