"""``multiverse evaluate``."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import asdict

from multiverse.afterwards import Conclusion, Steps, conclude, score
from multiverse.cli.conclusion import print_conclusion
from multiverse.cli.evaluating import Evaluating
from multiverse.cli.run import amount
from multiverse.cli.scores import print_scores
from multiverse.cli.terminal import print_error, print_json, say, teller
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.errors import UsageError
from multiverse.runner.capacity import Machine
from multiverse.runs.results import Results
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome


def main(arguments: Namespace) -> int:
    results = Results.open(arguments.results)
    engine = arguments.engine or os.environ.get("MULTIVERSE_ENGINE") or "auto"
    tell = teller(json=arguments.json)
    with Evaluating() as progress:
        outcomes = score(results, engine, _options(arguments), tell, progress)
    results = results.refresh()
    steps = Steps(evaluate=False, report=not arguments.no_report, tracked=False)
    conclusion = conclude(results, steps, say=tell, progress=progress)
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if arguments.json:
        print_json({"datasets": [asdict(outcome) for outcome in outcomes]})
    else:
        _print(results, outcomes, conclusion)
    return 1 if problems or conclusion.problems else 0


def _options(arguments: Namespace) -> ScoringOptions:
    given = {
        name: value
        for name in ("max_cells", "replicates")
        if (value := getattr(arguments, name)) is not None
    }
    try:
        settings = EvaluationSettings(**given) if given else None
    except ValueError as error:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{names}: {str(error).splitlines()[2].strip()}") from error
    machine = Machine(cpus=arguments.cpus, memory=amount(arguments.memory, "--memory"))
    machine.check()
    return ScoringOptions(
        settings=settings,
        machine=machine,
        build=not arguments.no_build,
        again=arguments.again,
        datasets=tuple(arguments.datasets),
    )


def _print(results: Results, outcomes: list[ScoringOutcome], conclusion: Conclusion) -> None:
    for outcome in outcomes:
        words = f"{outcome.scored} scored now, {outcome.known} known already"
        say(f"{outcome.dataset}: {words}")
    print_scores(results)
    print_conclusion(conclusion)
    for outcome in outcomes:
        if outcome.problem:
            print_error(f"{outcome.dataset}: {outcome.problem}", None)
