"""``multiverse clean``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from multiverse.api import CleanupResult, clean
from multiverse.cleanup import (
    USUAL,
    CleanupGroup,
    CleanupOutcome,
    CleanupPlan,
    CleanupRequest,
    Kept,
)
from multiverse.cli.terminal import console, notes, print_json, safe, say
from multiverse.errors import ResultsError
from multiverse.specs import format_bytes

#: What each option of the command line chooses.
CHOICES: dict[str, frozenset[CleanupGroup]] = {
    "attempts": frozenset({CleanupGroup.ATTEMPTS, CleanupGroup.LEFTOVERS}),
    "images": frozenset({CleanupGroup.IMAGES}),
    "environments": frozenset({CleanupGroup.ENVIRONMENTS}),
    "datasets": frozenset({CleanupGroup.DATASETS}),
}
#: Of what stays, so many lines a group are shown.
MAX_KEPT = 10


@dataclass(frozen=True)
class CleanArguments:
    """The results folder, what to look for, and whether it is removed (``yes``)."""

    results: Path
    wanted: CleanupRequest
    yes: bool
    models_dirs: tuple[Path, ...]
    json: bool


def read(given: Namespace) -> CleanArguments:
    """Return the arguments."""
    chosen = [groups for name, groups in CHOICES.items() if getattr(given, name)]
    wanted = CleanupRequest(
        groups=frozenset().union(*chosen) if chosen else USUAL,
        runs=tuple(given.runs),
        published=given.published,
        all_attempts=given.all_attempts,
    )
    return CleanArguments(given.results, wanted, given.yes, tuple(given.models_dir), given.json)


def main(arguments: CleanArguments) -> int:
    """List what can go, and remove it if told to; 5 where something can't be removed."""
    done = clean(
        arguments.results,
        arguments.wanted,
        remove=arguments.yes,
        models_dirs=arguments.models_dirs,
        found=_hidden if arguments.json else _print,
        tell=notes(json=arguments.json),
    )
    if arguments.json:
        print_json(_plain(done))
    elif done.outcome is not None:
        _summarise(done.outcome)
    elif done.plan.items:
        size = format_bytes(done.plan.size)
        say(f"{size} can go; nothing was removed: add --yes to remove it")
    return ResultsError.exit_code if done.outcome is not None and done.outcome.failed else 0


def _print(found: CleanupPlan) -> None:
    out = console()
    for group, members in groupby(found.items, key=lambda item: item.group):
        items = list(members)
        size = format_bytes(sum(item.size for item in items))
        out.print(safe(f"{group}: {len(items):,}, {size}", "bold"))
        for item in items:
            out.print(safe(f"  {format_bytes(item.size):>10}  {item.name}  ({item.why})"))
    for group, stay in groupby(found.kept, key=lambda kept: kept.group):
        _print_kept(group, list(stay))
    if not found.items:
        say("there is nothing to clean")


def _print_kept(group: CleanupGroup, kept: list[Kept]) -> None:
    out = console()
    out.print(safe(f"{group} that stay: {len(kept):,}", "dim"))
    for item in kept[:MAX_KEPT]:
        out.print(safe(f"  {item.name}  ({item.why})", "dim"))
    if len(kept) > MAX_KEPT:
        out.print(safe(f"  and {len(kept) - MAX_KEPT:,} more (all: --json)", "dim"))


def _hidden(_plan: CleanupPlan) -> None:
    """Leave standard output to one JSON document."""


def _summarise(outcome: CleanupOutcome) -> None:
    out = console()
    for item, why in outcome.failed:
        out.print(safe("stays: ", "yellow") + safe(f"{item.name}: {why}"))
    say(f"freed {format_bytes(outcome.freed)}: {len(outcome.removed):,} removed")


def _plain(done: CleanupResult) -> dict[str, Any]:
    plan, outcome = done.plan, done.outcome
    items = [
        {"group": item.group, "name": item.name, "why": item.why, "bytes": item.size}
        for item in plan.items
    ]
    found = {"can_go": items, "stays": [asdict(kept) for kept in plan.kept], "bytes": plan.size}
    return found if outcome is None else {**found, **_done(outcome)}


def _done(outcome: CleanupOutcome) -> dict[str, Any]:
    return {
        "removed": [item.name for item in outcome.removed],
        "failed": [{"name": item.name, "why": why} for item, why in outcome.failed],
        "freed": outcome.freed,
    }
