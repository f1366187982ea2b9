"""Checks of declared settings, one each, and of the device."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from multiverse.conformance.context import Answer, CheckContext, failed, note, passed, skipped
from multiverse.conformance.trial import TrialOutcome
from multiverse.conformance.values import other_values
from multiverse.plan.settings import Part
from multiverse.specs.model import ModelSpec

#: A GPU that no machine has.
ABSENT_DEVICE = "cuda:63"
#: Where the worker SDK records settings of each part.
_RECORDED = {"parameters": "hyperparameters", "preprocessing": "preprocessing"}


def declared(model: ModelSpec) -> list[tuple[str, partial[Answer]]]:
    """Return a check for every setting that model.yaml declares: its name, and its maker."""
    parts: list[Part] = ["parameters", "preprocessing"]
    return [
        (f"{part}: {name}", partial(setting, part=part, name=name))
        for part in parts
        for name in model.defaults(part)
    ]


def setting(context: CheckContext, *, part: Part, name: str) -> Answer:
    """Check that another value is accepted and recorded; say whether the embedding changes."""
    current = getattr(context, part)[name]
    values = other_values(getattr(context.model.yaml, part), name, current)
    if not values:
        reason = "no other value can be made from its schema: give it an enum, or bounds"
        return skipped("another value is honoured", reason)
    tried: list[str] = []
    for number, value in enumerate(values):
        expected = f"a run with {name}={json.dumps(value)} instead of {json.dumps(current)}"
        chosen: dict[str, Any] = {part: {name: value}}
        outcome = context.run(f"{part}-{name}-{number + 1}", **chosen)
        problem = _problem(outcome, part, name, value, expected)
        if problem is not None:
            return problem
        if outcome.complete and not outcome.equals(context.usual):
            return passed(expected, "accepted; another embedding", outcome)
        tried.append(json.dumps(value))
    advice = f"No visible effect on tiny data (tried {', '.join(tried)}): is it really used?"
    return note(expected, "accepted; the same embedding", advice, outcome)


def _problem(
    outcome: TrialOutcome, part: Part, name: str, value: Any, expected: str
) -> Answer | None:
    if outcome.not_applicable:
        advice = "Fine if such a value makes no sense for 100 cells; otherwise narrow its bounds."
        return note(expected, outcome.describe(), advice, outcome)
    if not outcome.complete:
        to_do = "Make every value within the declared bounds work, or narrow the bounds."
        return failed(expected, outcome.describe(), to_do, outcome)
    recorded = None if outcome.settings is None else outcome.settings.get(_RECORDED[part])
    if isinstance(recorded, dict) and recorded.get(name) != value:
        happened = f"metrics.json records {recorded.get(name)!r}"
        return failed(expected, happened, "Use and record the job's own value.", outcome)
    return None


def absent_device(context: CheckContext) -> Answer:
    """Check that an absent device is refused, never replaced by the CPU in silence."""
    expected = f"an error, because the job says {ABSENT_DEVICE}, which is not there"
    outcome = context.run("absent-device", device=ABSENT_DEVICE)
    to_do = "Look at the job's device, and end with an error if it can't be used."
    if outcome.complete:
        return failed(expected, "it ran all the same", to_do, outcome)
    if outcome.not_applicable:
        to_do = "Exit code 99 speaks of the data; a missing device is an error (any other code)."
        return failed(expected, outcome.describe(), to_do, outcome)
    return passed(expected, outcome.describe(), outcome)
