"""``multiverse status``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from multiverse.api import status, watch
from multiverse.cli.progress import reason
from multiverse.cli.running import RunningRow, counts_line, running_table
from multiverse.cli.terminal import as_json as plain_json
from multiverse.cli.terminal import console, print_json, safe
from multiverse.facts import RunState
from multiverse.runs import FolderStatus, JobStatus, Remaining, Standing, total_remaining

WATCH_SECONDS = 2.0
#: Of jobs that failed or were interrupted, and of notes, no more are listed.
MOST_LISTED = 20
WORDS = {
    Standing.COMPLETE: "done",
    Standing.WAITING: "not started",
    Standing.NOT_APPLICABLE: "not applicable",
}
EXIT_FAILED = 1


@dataclass(frozen=True)
class StatusArguments:
    """The results folder, and whether it is looked at until nothing runs any more."""

    results: Path
    watch: bool
    json: bool


def read(given: Namespace) -> StatusArguments:
    """Return the arguments."""
    return StatusArguments(given.results, given.watch, given.json)


def main(arguments: StatusArguments) -> int:
    """Say how far the jobs are; 1 where one has failed."""
    if arguments.watch:
        last = _watch(watch(arguments.results, WATCH_SECONDS), as_json=arguments.json)
    else:
        last = status(arguments.results)
        if arguments.json:
            print_json(as_plain(last))
        else:
            console().print(_view(last))
    return EXIT_FAILED if last.of(Standing.FAILED) else 0


def _watch(states: Iterator[FolderStatus], *, as_json: bool) -> FolderStatus:
    """Show each state: in a live view, as lines in a pipe, or as lines of JSON."""
    out = console()
    if as_json or not out.is_terminal:
        return _watch_lines(states, as_json=as_json)
    last = next(states)
    with Live(_view(last), console=out, auto_refresh=False, transient=True) as live:
        for last in states:
            live.update(_view(last), refresh=True)
    out.print(_view(last))
    return last


def _watch_lines(states: Iterator[FolderStatus], *, as_json: bool) -> FolderStatus:
    said = ""
    for last in states:
        line = plain_json(as_plain(last)) if as_json else safe(_counts(last)).plain
        if line != said:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            said = line
    if not as_json:
        console().print(_view(last))
    return last


def _view(status: FolderStatus) -> RenderableType:
    """Return all that people are told, in 80 columns."""
    size = console().size
    parts: list[RenderableType] = [safe(_counts(status), "bold"), safe(_command(status), "dim")]
    rows = [_row(job) for job in status.of(Standing.RUNNING)]
    if rows:
        parts.append(running_table(rows, size.width, size.height - 4))
    parts += _listed(status.of(Standing.INTERRUPTED), _interrupted)
    parts += _listed(status.of(Standing.FAILED), _failed)
    notes = [safe(f"note: {note}", "yellow") for note in status.notes]
    parts += _cut(notes)
    return Group(*parts)


def _listed(jobs: list[JobStatus], line: Any) -> list[RenderableType]:
    return _cut([line(job) for job in jobs])


def _cut(lines: list[Text]) -> list[RenderableType]:
    more = len(lines) - MOST_LISTED
    return [*lines[:MOST_LISTED], *([safe(f"and {more:,} more", "dim")] if more > 0 else [])]


def _counts(status: FolderStatus) -> str:
    found = Counter(job.standing for job in status.jobs)
    counts = {WORDS.get(standing, standing.value): found[standing] for standing in Standing}
    return counts_line(counts, _remaining(status))


def _remaining(status: FolderStatus) -> Remaining | None:
    return total_remaining(
        [job.expected for job in status.of(Standing.QUEUED)],
        [job.remaining for job in status.of(Standing.RUNNING)],
    )


def _command(status: FolderStatus) -> str:
    plan = status.plan
    if plan is None:
        return f"{status.folder}: no command has left a plan here"
    who = f"process {plan.pid} on {plan.host}, {len(plan.jobs):,} jobs since {plan.started_at}"
    if status.working is None:
        return f"{status.folder}: {who}; whether it lives can be seen there only"
    return (
        f"{status.folder}: {who}" if status.working else f"{status.folder}: no command is at work"
    )


def _row(job: JobStatus) -> RunningRow:
    live, record = job.live, job.record
    epoch = live.epoch if live else None
    limit = live.memory if live else (record.limits.get("memory") if record else None)
    return RunningRow(
        name=job.name,
        elapsed=job.elapsed or 0.0,
        memory=live.usage.peak_memory_bytes if live else None,
        memory_limit=int(limit or 0),
        gpu=live.gpu if live else None,
        epoch=epoch.number if epoch else None,
        epochs=epoch.total if epoch else None,
        limit=bool(epoch and epoch.limit),
        values=epoch.values if epoch else {},
        remaining=job.remaining,
    )


def _interrupted(job: JobStatus) -> Text:
    return safe(f"{job.name}: interrupted: the next run takes it over ({job.run_id})", "yellow")


def _failed(job: JobStatus) -> Text:
    text = safe(f"{job.name}: ") + Text("failed", style="bold red")
    if job.record is not None:
        text += safe(f" — {reason(job.record)}")
    return text + Text("\n  attempt: ", style="dim") + safe(job.folder, "dim")


def as_plain(status: FolderStatus) -> dict[str, Any]:
    """Return the status for machines: every job, and what is known of it."""
    remaining = _remaining(status)
    return {
        "folder": str(status.folder),
        "working": status.working,
        "runner": status.plan and status.plan.model_dump(mode="json", exclude={"jobs"}),
        "counts": dict(Counter(job.standing.value for job in status.jobs)),
        "remaining_seconds": remaining and remaining.seconds,
        "remaining_is_a_minimum": bool(remaining and remaining.at_least),
        "jobs": [_plain_job(job) for job in status.jobs],
        "notes": list(status.notes),
    }


def _plain_job(job: JobStatus) -> dict[str, Any]:
    record, live = job.record, job.live
    ended = record is not None and record.state is not RunState.RUNNING
    return {
        "run_id": job.run_id,
        "name": job.name,
        "state": job.standing.value,
        "attempt": record and record.attempt,
        "cause": record and record.cause,
        "message": record.message if record else "",
        "folder": job.folder and str(job.folder),
        "elapsed_seconds": job.elapsed,
        "remaining_seconds": job.remaining,
        "expected_seconds": job.expected,
        "usage": record.usage.model_dump() if record and ended else None,
        "live": live and live.model_dump(mode="json"),
    }
