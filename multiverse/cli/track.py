"""``multiverse track``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from multiverse.cli.terminal import console, print_error, print_json, safe, say, teller
from multiverse.errors import JobsFailed, UsageError
from multiverse.runs.results import Results
from multiverse.specs.quantity import parse_bytes
from multiverse.tracking import EMBEDDINGS_LIMIT, Tracked, track

#: More runs than this with the same reason say nothing new.
SHOWN = 20


def main(arguments: Namespace) -> int:
    tracked = track(
        Results.open(arguments.results),
        arguments.uri,
        experiment=arguments.experiment,
        embeddings_limit=_limit(arguments),
        say=teller(json=arguments.json),
    )
    if arguments.json:
        print_json({**asdict(tracked), "complete": tracked.complete})
    else:
        print_tracked(tracked)
    return 0 if tracked.complete else JobsFailed.exit_code


def _limit(arguments: Namespace) -> int:
    if arguments.no_embeddings:
        return 0
    if arguments.max_embedding is None:
        return EMBEDDINGS_LIMIT
    try:
        return parse_bytes(arguments.max_embedding)
    except ValueError as error:
        raise UsageError(f"--max-embedding: {error}") from error


def print_tracked(tracked: Tracked) -> None:
    """What MLflow has now; what it lacks, why, and what to do about it."""
    out = console()
    for note in tracked.notes:
        out.print(safe(f"note: {note}", "yellow"))
    say(tracked.summary)
    if tracked.complete:
        return
    lines = []
    for reason in dict.fromkeys(run.reason for run in tracked.failed):
        names = [run.name for run in tracked.failed if run.reason == reason]
        more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
        lines.append(f"not in MLflow: {', '.join(names[:SHOWN])}{more}: {reason}")
    print_error(
        "\n".join(lines), f"The runs are safe in their folder. Copy the rest: {tracked.command}"
    )
