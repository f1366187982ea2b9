"""``multiverse runs``."""

from __future__ import annotations

from argparse import Namespace

from multiverse.cli.summary import print_runs
from multiverse.cli.terminal import print_json, say
from multiverse.results import open_results


def main(arguments: Namespace) -> int:
    results = open_results(arguments.results)
    if arguments.json:
        print_json([run.record.model_dump(mode="json") for run in results])
    elif not len(results):
        say(f"{arguments.results} has no runs yet")
    else:
        print_runs(list(results))
    return 0
