"""``multiverse runs``."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import Results, open_results
from multiverse.cli.summary import print_notes, print_runs
from multiverse.cli.terminal import ascii_json, console, safe, say
from multiverse.runs import without_collection


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
    results = open_results(arguments.results)
    if arguments.json:
        _print_json(results)
        return 0
    if not results.runs:
        say(f"{arguments.results} has no runs yet")
    else:
        print_runs(results.runs)
    print_notes(results.damaged_records)
    return 0


def _print_json(results: Results) -> None:
    """Print one array. Written run by run: the whole of it, made at once, is slow and large."""
    separator = "["
    for run in results.runs:
        record = ascii_json(run.record.model_dump_json(indent=2))
        sys.stdout.write(f"{separator}\n{record}")
        separator = ","
    sys.stdout.write("\n]\n" if results.runs else "[]\n")
    for line in results.damaged_records:
        console(stderr=True).print(safe(f"note: {line}"))
