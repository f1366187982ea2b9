"""``multiverse runs``."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import list_runs
from multiverse.cli.summary import print_notes, print_runs
from multiverse.cli.terminal import console, safe, say
from multiverse.runs import Listing, without_collection


@dataclass(frozen=True)
class RunsArguments:
    """The results folder, and how its runs are printed."""

    results: Path
    json: bool


def read(given: Namespace) -> RunsArguments:
    """Return the arguments."""
    return RunsArguments(given.results, given.json)


def main(arguments: RunsArguments) -> int:
    """List the runs of a results folder."""
    with without_collection():
        return _list(arguments)


def _list(arguments: RunsArguments) -> int:
    listing = list_runs(arguments.results)
    if arguments.json:
        _print_json(listing)
        return 0
    if not listing.runs:
        say(f"{arguments.results} has no runs yet")
    else:
        print_runs(listing.runs)
    print_notes(listing.damaged)
    return 0


def _print_json(listing: Listing) -> None:
    """One array. Written run by run: the whole of it, made at once, is slow and large."""
    separator = "["
    for run in listing.runs:
        sys.stdout.write(f"{separator}\n{run.record.model_dump_json(indent=2)}")
        separator = ","
    sys.stdout.write("\n]\n" if listing.runs else "[]\n")
    for line in listing.damaged:
        console(stderr=True).print(safe(f"note: {line}"))
