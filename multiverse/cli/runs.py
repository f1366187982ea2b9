"""``multiverse runs``."""

from __future__ import annotations

import sys
from argparse import Namespace

from multiverse.cli.summary import print_notes, print_runs
from multiverse.cli.terminal import console, safe, say
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import Listing, read_runs, without_collection


def main(arguments: Namespace) -> int:
    with without_collection():
        return _list(arguments)


def _list(arguments: Namespace) -> int:
    listing = read_runs(ResultsFolder(arguments.results))
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
