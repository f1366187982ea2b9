"""The work context of the checks: a model, tiny data, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from multiverse.conformance.report import CheckStatus
from multiverse.conformance.sandbox_change import SandboxChange
from multiverse.conformance.tiny_data import TinyData
from multiverse.conformance.trial import Trial, TrialOutcome, TrialRunner
from multiverse.registry.datasets import RegisteredDataset
from multiverse.specs.dataset import MODALITIES
from multiverse.specs.model import ModelSpec


@dataclass(frozen=True)
class Answer:
    """The finding of a check. ``outcome``: the run that decided it, for its log and its files."""

    status: CheckStatus
    expected: str
    happened: str
    to_do: str = ""
    outcome: TrialOutcome | None = None


@dataclass(frozen=True)
class CheckContext:
    """The inputs of a check. ``in_container`` is false for engines without a sandbox."""

    model: ModelSpec
    trials: TrialRunner
    data: TinyData
    parameters: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    in_container: bool

    @property
    def usable(self) -> tuple[str, ...]:
        """Every modality that the model knows."""
        return self.model.yaml.modalities.usable(MODALITIES)

    @property
    def fewest(self) -> tuple[str, ...]:
        """The fewest modalities that the model can do with."""
        return (
            self.model.yaml.modalities.usable(self.model.yaml.modalities.required)
            or (self.usable[:1])
        )

    @cached_property
    def usual(self) -> TrialOutcome:
        """The model's usual run: usual data, seed 0."""
        return self.run("usual")

    def run(
        self,
        name: str,
        dataset: RegisteredDataset | None = None,
        *,
        modalities: tuple[str, ...] | None = None,
        parameters: Mapping[str, Any] | None = None,
        preprocessing: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> TrialOutcome:
        """Run the model; what is not given is as in the usual run. ``more``: see Trial."""
        trial = Trial(
            name=name,
            dataset=dataset or self.data.usual(self.usable),
            modalities=modalities or self.usable,
            parameters={**self.parameters, **(parameters or {})},
            preprocessing={**self.preprocessing, **(preprocessing or {})},
            **more,
        )
        return self.trials.make(trial)

    def another(self, expected: str, to_do: str, outcome: TrialOutcome) -> Answer:
        """Answer for an embedding that should be the same, and is not: on a GPU that is a note.

        There the order of additions is not given, so that not even equal jobs must agree in
        every bit (https://docs.pytorch.org/docs/stable/notes/randomness.html).
        """
        if self.trials.device == "cpu":
            return failed(expected, "another embedding", to_do, outcome)
        advice = f"A GPU may round in another order. If results differ by more: {to_do}"
        return note(expected, "another embedding, on a GPU", advice, outcome)

    def run_under(self, name: str, sandbox: SandboxChange) -> TrialOutcome:
        return self.run(name, sandbox=sandbox)


def passed(expected: str, happened: str, outcome: TrialOutcome | None = None) -> Answer:
    return Answer(CheckStatus.PASSED, expected, happened, "", outcome)


def failed(expected: str, happened: str, to_do: str, outcome: TrialOutcome | None = None) -> Answer:
    return Answer(CheckStatus.FAILED, expected, happened, to_do, outcome)


def note(expected: str, happened: str, to_do: str, outcome: TrialOutcome | None = None) -> Answer:
    return Answer(CheckStatus.NOTE, expected, happened, to_do, outcome)


def skipped(expected: str, reason: str) -> Answer:
    """Answer for a check that says nothing about this model or this engine."""
    return Answer(CheckStatus.NOT_APPLICABLE, expected, reason)


def must_complete(outcome: TrialOutcome, expected: str, to_do: str) -> Answer:
    """Pass if there is an embedding; an honest *not applicable* is a note."""
    if outcome.complete:
        return passed(expected, outcome.describe(), outcome)
    if outcome.not_applicable:
        advice = "Fine if the method really can't use such data; otherwise handle them."
        return note(expected, outcome.describe(), advice, outcome)
    return failed(expected, outcome.describe(), to_do, outcome)
