"""``--json``: every event is one line that its published schema describes."""

from __future__ import annotations

import io
import json
import re
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

from jsonschema import Draft202012Validator

from multiverse.api import Conclusion, Results
from multiverse.cli.json_events import JsonEvents, events_schema, kinds
from multiverse.events import (
    AttemptStarted,
    Event,
    Finished,
    Held,
    MetricScored,
    Noted,
    Planned,
    Printed,
    Progressed,
    Queued,
    Retried,
    Reused,
    Summarised,
    Warned,
)
from multiverse.facts import Cause, EpochFacts, GpuUsage, JobFacts, RunState, Usage
from multiverse.scoring.outcome import ScoringOutcome
from tests.unit.runs.test_publish_and_list import record

JOB = JobFacts("a" * 16, "pbmc/pca seed 0", "pbmc", "pca", 0, 12.5)
OLD_LINES = Path(__file__).parent / "data" / "events-1.0.jsonl"
FAILED = record(state=RunState.FAILED, cause=Cause.OUT_OF_MEMORY, message="a\n\x1b[2Jb é \u2028")


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    validator = Draft202012Validator(events_schema())
    for event in found:
        validator.validate(event)
        assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    return found


def everything() -> list[Event]:
    """One event or two of each kind, the ones that version 1.0 wrote into ``OLD_LINES``."""
    done = record(gpu=GpuUsage(name="H200", peak_memory_bytes=5))
    failed = FAILED.facts(Path("results/attempts/a/1"))
    conclusion = Conclusion(
        Results(Path("results"), ()),
        (ScoringOutcome("pbmc", "f" * 8, 2, 1, "1 run is damaged"),),
        problems=("a problem",),
    )
    return [
        Planned((JOB, JobFacts("b" * 16, "pbmc/mofa seed 0", "pbmc", "mofa", 0))),
        Queued(JOB.run_id, "dataset changed"),
        Held(JOB.run_id, "process 1 on host"),
        AttemptStarted(JOB.run_id, 2, 1.5, 1024, gpu="0", adopted=True),
        Progressed(JOB.run_id, Usage(wall_seconds=1), EpochFacts(3, None, {"loss": 0.5})),
        Printed(JOB.run_id, "half of "),
        Printed(JOB.run_id, "é\N{REPLACEMENT CHARACTER}"),
        Retried(JOB.run_id, "with 8.0 GiB of memory", failed),
        Reused(JOB.run_id, done.facts(Path("results/caf\udce9/\x1b[2J"))),
        Finished(JOB.run_id, failed),
        Warned("the disk is short"),
        Summarised(Path("results"), 2, {RunState.FAILED: 1, RunState.COMPLETE: 1}, ("z",)),
        MetricScored("pca · nmi", 3, 10),
        conclusion.event(),
    ]


def test_every_event_is_a_line_with_all_its_facts() -> None:
    out = io.StringIO()
    events = JsonEvents(out)
    for event in everything():
        events(event)
    found = {event["event"]: event for event in lines(out)}
    assert len(found) == 13
    assert found["planned"]["jobs"][0] == {
        "run_id": "a" * 16, "name": "pbmc/pca seed 0", "dataset": "pbmc", "model": "pca",
        "seed": 0, "expected_seconds": 12.5
    }  # fmt: skip
    assert found["queued"]["why"] == "dataset changed"
    assert found["held"]["holder"] == "process 1 on host"
    assert (found["started"]["attempt"], found["started"]["adopted"]) == (2, True)
    assert (found["started"]["memory"], found["started"]["gpu"]) == (1024, "0")
    assert found["progress"]["epoch"] == {
        "number": 3, "total": None, "values": {"loss": 0.5}, "limit": False, "pace": None,
    }  # fmt: skip
    assert found["retried"]["how"] == "with 8.0 GiB of memory"
    assert found["reused"]["run"]["gpu"] == {"name": "H200", "peak_memory_bytes": 5}
    assert found["finished"]["run"]["cause"] == "out_of_memory"
    assert found["finished"]["run"]["message"] == FAILED.message
    assert found["finished"]["run"]["folder"] == "results/attempts/a/1"
    assert found["noted"]["message"] == "the disk is short"
    assert found["summary"]["counts"] == {"failed": 1, "complete": 1}
    texts = [event["text"] for event in lines(out) if event["event"] == "output"]
    assert texts == ["half of ", "é\N{REPLACEMENT CHARACTER}"]


def test_lines_are_those_of_version_1_0() -> None:
    """The same events give the same lines, to the order of their fields."""
    out = io.StringIO()
    events = JsonEvents(out)
    for event in everything():
        events(event)
    moment = re.compile(r'"time": "[^"]*"')
    old = [moment.sub("", line) for line in OLD_LINES.read_text().splitlines()]
    assert [moment.sub("", line) for line in out.getvalue().splitlines()] == old


def test_the_schema_describes_the_lines_of_version_1_0() -> None:
    validator = Draft202012Validator(events_schema())
    for line in OLD_LINES.read_text().splitlines():
        validator.validate(json.loads(line))


def test_every_event_of_the_module_is_in_the_schema() -> None:
    words = {typing.get_args(get_type_hints(kind)["event"])[0] for kind in kinds(Event)}
    assert words == set(events_schema()["discriminator"]["mapping"])
    assert {event.event for event in everything()} < words  # type: ignore[attr-defined]


def test_a_line_is_ascii_without_anything_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    JsonEvents(out)(Finished(JOB.run_id, FAILED.facts(Path("caf\udce9/\x1b[2J"))))
    assert out.getvalue().isascii()
    assert out.getvalue()[:-1].isprintable()
    assert out.getvalue().count("\n") == 1


def test_progress_of_a_job_is_told_once_a_second_and_anew_after_a_retry() -> None:
    out = io.StringIO()
    events = JsonEvents(out)
    other = JobFacts("b" * 16, "pbmc/pca seed 1", "pbmc", "pca", 1)
    for _ in range(100):
        events(Progressed(JOB.run_id, Usage(), None))
        events(Progressed(other.run_id, Usage(), None))
    ids = [event["run_id"] for event in lines(out)]
    assert len(ids) < 100
    assert ids[:2] == [JOB.run_id, other.run_id]
    events(Retried(JOB.run_id, "again", FAILED.facts(Path("x"))))
    events(Progressed(JOB.run_id, Usage(), None))
    assert lines(out)[-1]["event"] == "progress"


def test_a_batch_with_a_foreign_field_is_not_described_by_the_schema() -> None:
    out = io.StringIO()
    JsonEvents(out)(Noted("x"))
    (event,) = lines(out)
    validator = Draft202012Validator(events_schema())
    assert not validator.is_valid({**event, "more": 1})
    assert not validator.is_valid({**event, "event": "unheard of"})
