"""``multiverse track``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

from multiverse.api import amount, track
from multiverse.cli.terminal import console, notes, print_error, print_json, safe, say
from multiverse.errors import JobsFailed
from multiverse.specs import first_of
from multiverse.tracking import Tracked

#: More runs than this with the same reason say nothing new.
SHOWN = 20


@dataclass(frozen=True)
class TrackArguments:
    """The results folder, MLflow's address, and which embeddings are left out.

    ``embeddings_limit``: bytes; 0 leaves all out, None those that are left out as a rule.
    """

    results: Path
    uri: str | None
    experiment: str | None
    embeddings_limit: int | None
    json: bool


def read(given: Namespace) -> TrackArguments:
    """Return the arguments; :class:`UsageError` for an amount that is none."""
    limit = given.max_embedding and (amount(given.max_embedding, "--max-embedding:") or 0)
    return TrackArguments(
        results=given.results,
        uri=given.uri,
        experiment=given.experiment,
        embeddings_limit=0 if given.no_embeddings else limit,
        json=given.json,
    )


def main(arguments: TrackArguments) -> int:
    """Copy finished runs and their scores to MLflow; 1 if some are missing there."""
    tracked = track(
        arguments.results,
        arguments.uri,
        experiment=arguments.experiment,
        embeddings_limit=arguments.embeddings_limit,
        tell=notes(json=arguments.json),
    )
    if arguments.json:
        print_json({**asdict(tracked), "complete": tracked.complete})
    else:
        print_tracked(tracked)
    return 0 if tracked.complete else JobsFailed.exit_code


def print_tracked(tracked: Tracked) -> None:
    """Print the runs that MLflow has now, those it lacks, why, and what to do about it."""
    out = console()
    for note in tracked.notes:
        out.print(safe(f"note: {note}", "yellow"))
    say(tracked.summary)
    if tracked.complete:
        return
    lines = []
    for reason in dict.fromkeys(run.reason for run in tracked.failed):
        names = [run.name for run in tracked.failed if run.reason == reason]
        lines.append(f"not in MLflow: {first_of(names, SHOWN)}: {reason}")
    print_error(
        "\n".join(lines), f"The runs are safe in their folder. Copy the rest: {tracked.command}"
    )
