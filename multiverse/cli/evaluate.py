"""``multiverse evaluate``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

from multiverse.api import (
    Conclusion,
    duration,
    evaluation_settings,
    evaluation_weights,
    room,
    score_results,
)
from multiverse.cli.conclusion import print_conclusion
from multiverse.cli.evaluating import Evaluating
from multiverse.cli.pairs import pairs
from multiverse.cli.scores import print_scores
from multiverse.cli.terminal import notes, print_json, say
from multiverse.events import everybody
from multiverse.runner import Machine
from multiverse.scoring import ScoringOptions


@dataclass(frozen=True)
class EvaluateArguments:
    """The results folder, how it is scored, and whether a report follows."""

    results: Path
    options: ScoringOptions
    engine: str | None
    report: bool
    json: bool


def read(given: Namespace) -> EvaluateArguments:
    """Return the arguments; :class:`UsageError` for a number that makes no sense."""
    named = {"max_cells": given.max_cells, "replicates": given.replicates}
    said = {name: value for name, value in named.items() if value is not None}
    options = ScoringOptions(
        settings=evaluation_settings(said, _option) if said else None,
        weights=evaluation_weights(pairs(given.weights, "--weights")) if given.weights else None,
        machine=Machine(cpus=given.cpus, memory=room(given.memory, "--memory")),
        build=not given.no_build,
        again=given.again,
        datasets=tuple(given.datasets),
        time_limit=duration(given.time_limit, "--time-limit"),
    )
    return EvaluateArguments(given.results, options, given.engine, not given.no_report, given.json)


def main(arguments: EvaluateArguments) -> int:
    """Score the complete runs of a results folder; 1 where something is not scored."""
    with Evaluating() as evaluating:
        done = score_results(
            arguments.results,
            arguments.options,
            engine=arguments.engine,
            report=arguments.report,
            tell=everybody(evaluating.beside(notes(json=arguments.json)), evaluating),
        )
    if arguments.json:
        print_json({"datasets": [asdict(outcome) for outcome in done.outcomes]})
    else:
        _print(done)
    return 0 if done.complete else 1


def _option(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _print(done: Conclusion) -> None:
    for outcome in done.outcomes:
        words = f"{outcome.scored} scored now, {outcome.known} known already"
        say(f"{outcome.dataset}: {words}")
    print_scores(done.results)
    print_conclusion(done)
