"""``multiverse clean``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from itertools import groupby
from typing import Any

from multiverse.cleanup.clean import (
    USUAL,
    CleanupOutcome,
    CleanupPlan,
    CleanupRequest,
    find,
    remove,
)
from multiverse.cleanup.removable import CleanupGroup, Item, Kept
from multiverse.cli.terminal import console, print_json, safe, say
from multiverse.errors import ResultsError
from multiverse.registry.models import list_models
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.quantity import format_bytes

#: What each option of the command line chooses.
CHOICES: dict[str, frozenset[CleanupGroup]] = {
    "attempts": frozenset({CleanupGroup.ATTEMPTS, CleanupGroup.LEFTOVERS}),
    "images": frozenset({CleanupGroup.IMAGES}),
    "environments": frozenset({CleanupGroup.ENVIRONMENTS}),
    "datasets": frozenset({CleanupGroup.DATASETS}),
}
#: Of what stays, so many lines a group are shown.
MAX_KEPT = 10


def main(arguments: Namespace) -> int:
    wanted = _wanted(arguments)
    # The evaluator's image and environment are in use as those of models are.
    known = [*list_models(arguments.models_dir), EvaluatorSpec.load()]
    found = find(arguments.results, wanted, known)
    if not arguments.json:
        _print(found)
    if not arguments.yes or not found.items:
        if arguments.json:
            print_json(_plain(found))
        elif found.items:
            say(f"{format_bytes(found.size)} can go; nothing was removed: add --yes to remove it")
        return 0
    outcome = remove(arguments.results, found, _unsaid if arguments.json else _told)
    if arguments.json:
        print_json({**_plain(found), **_done(outcome)})
    else:
        _summarise(outcome)
    return ResultsError.exit_code if outcome.failed else 0


def _wanted(arguments: Namespace) -> CleanupRequest:
    chosen = [groups for name, groups in CHOICES.items() if getattr(arguments, name)]
    return CleanupRequest(
        groups=frozenset().union(*chosen) if chosen else USUAL,
        runs=tuple(arguments.runs),
        published=arguments.published,
        all_attempts=arguments.all_attempts,
    )


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


def _told(item: Item) -> None:
    say(f"removed {item.name}")


def _unsaid(_item: Item) -> None:
    """Standard output holds one JSON document and nothing else."""


def _summarise(outcome: CleanupOutcome) -> None:
    out = console()
    for item, why in outcome.failed:
        out.print(safe("stays: ", "yellow") + safe(f"{item.name}: {why}"))
    say(f"freed {format_bytes(outcome.freed)}: {len(outcome.removed):,} removed")


def _plain(found: CleanupPlan) -> dict[str, Any]:
    items = [
        {"group": item.group, "name": item.name, "why": item.why, "bytes": item.size}
        for item in found.items
    ]
    return {"can_go": items, "stays": [asdict(kept) for kept in found.kept], "bytes": found.size}


def _done(outcome: CleanupOutcome) -> dict[str, Any]:
    return {
        "removed": [item.name for item in outcome.removed],
        "failed": [{"name": item.name, "why": why} for item, why in outcome.failed],
        "freed": outcome.freed,
    }
