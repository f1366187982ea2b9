"""``--json``: every event is one line that its published schema describes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from multiverse.cli.json_events import JsonEvents, events_schema
from multiverse.runner.events import Epoch, Start, Task
from multiverse.runs.record import Cause, GpuUsage, RunState, Usage
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from tests.unit.runs.test_publish_and_list import record

TASK = Task("a" * 16, "pbmc/pca seed 0", "pbmc", "pca", 0, 12.5)
FAILED = record(state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY, message="a\n\x1b[2Jb é \u2028")


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    validator = Draft202012Validator(events_schema())
    for event in found:
        validator.validate(event)
        assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    return found


def test_every_event_is_a_line_with_all_its_facts() -> None:
    out = io.StringIO()
    events = JsonEvents(out)
    run = Run(FAILED, Path("results/attempts/a/1"))
    done = record(gpu=GpuUsage(name="H200", peak_memory_bytes=5))
    events.planned([TASK])
    events.queued(TASK, "dataset changed")
    events.held(TASK, "process 1 on host")
    events.started(TASK, Start(2, 1.5, 1024, gpu="0", adopted=True))
    events.progress(TASK, Usage(wall_seconds=1), Epoch(3, None, {"loss": 0.5}))
    events.output(TASK, b"half of \xc3")
    events.output(TASK, b"\xa9\xff")
    events.retried(TASK, run, "with 8.0 GiB of memory")
    events.reused(TASK, Run(done, Path("results/x")))
    events.finished(TASK, run)
    events.noted("the disk is short")
    events.summary(Results(Path("results"), [Run(FAILED, Path("x")), Run(done, Path("y"))], ["z"]))
    found = {event["event"]: event for event in lines(out)}
    assert len(found) == 11
    assert found["planned"]["jobs"] == [
        {"run_id": "a" * 16, "name": "pbmc/pca seed 0", "dataset": "pbmc", "model": "pca",
         "seed": 0, "expected_seconds": 12.5}
    ]  # fmt: skip
    assert found["queued"]["why"] == "dataset changed"
    assert found["held"]["holder"] == "process 1 on host"
    assert (found["started"]["attempt"], found["started"]["adopted"]) == (2, True)
    assert (found["started"]["memory"], found["started"]["gpu"]) == (1024, "0")
    assert found["progress"]["epoch"] == {"number": 3, "total": None, "values": {"loss": 0.5}}
    assert found["retried"]["how"] == "with 8.0 GiB of memory"
    assert found["reused"]["run"]["gpu"] == {"name": "H200", "peak_memory_bytes": 5}
    assert found["finished"]["run"]["cause"] == "out_of_memory"
    assert found["finished"]["run"]["message"] == FAILED.message
    assert found["finished"]["run"]["folder"] == "results/attempts/a/1"
    assert found["noted"]["message"] == "the disk is short"
    assert found["summary"]["counts"] == {"failed": 1, "complete": 1}
    texts = [event["text"] for event in lines(out) if event["event"] == "output"]
    assert texts == ["half of ", "é\N{REPLACEMENT CHARACTER}"]


def test_a_line_is_ascii_without_anything_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    JsonEvents(out).finished(TASK, Run(FAILED, Path("caf\udce9/\x1b[2J")))
    assert out.getvalue().isascii()
    assert out.getvalue()[:-1].isprintable()
    assert out.getvalue().count("\n") == 1


def test_progress_of_a_job_is_told_once_a_second_and_anew_after_a_retry() -> None:
    out = io.StringIO()
    events = JsonEvents(out)
    other = Task("b" * 16, "pbmc/pca seed 1", "pbmc", "pca", 1)
    for _ in range(100):
        events.progress(TASK, Usage(), None)
        events.progress(other, Usage(), None)
    ids = [event["run_id"] for event in lines(out)]
    assert len(ids) < 100
    assert ids[:2] == [TASK.run_id, other.run_id]
    events.retried(TASK, Run(FAILED, Path("x")), "again")
    events.progress(TASK, Usage(), None)
    assert lines(out)[-1]["event"] == "progress"


def test_a_batch_with_a_foreign_field_is_not_described_by_the_schema() -> None:
    out = io.StringIO()
    JsonEvents(out).noted("x")
    (event,) = lines(out)
    validator = Draft202012Validator(events_schema())
    assert not validator.is_valid({**event, "more": 1})
    assert not validator.is_valid({**event, "event": "unheard of"})
