"""Every check finds a model that breaks its promise, and lets a good one pass; real processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from multiverse.conformance import CheckStatus
from multiverse.conformance.context import CheckContext
from multiverse.conformance.output_checks import resources
from multiverse.conformance.suite import CHECKS
from multiverse.conformance.tiny_data import TinyData
from multiverse.conformance.trial import TrialRunner
from multiverse.engines.local import LocalEngine
from multiverse.events import silent
from multiverse.facts import Usage
from multiverse.specs.model import ModelSpec
from tests.unit.conformance.careless import careless_model, check

BOTH = "required: [rna, atac], optional: [adt]"
#: Check, behaviour that breaks it, and words of what is said.
BROKEN = [
    ("contract", "nan", "NaN"),
    ("contract", "permuted", "another order"),
    ("contract", "stops_at_99", "not applicable: no"),
    ("labels", "needs_labels", "only when it is given labels"),
    ("determinism", "unseeded", "another embedding"),
    ("seed", "only_seed_0", "I like 0"),
    ("seed", "signed_seed", "seed 2147483648: failed"),
    ("seed", "next_seed", "no such unsigned integer"),
    ("seed", "wrong_seed", "records seed 7"),
    ("fewer modalities", "needs_all", "three or nothing"),
    ("extra modality", "greedy", "another embedding"),
    ("no batch column", "needs_batch", "no batch"),
    ("batch of one cell", "needs_batches_of_two", "variance of one cell"),
    ("empty cells", "needs_counts_in_every_cell", "division by zero"),
    ("empty features", "needs_counts_in_every_feature", "division by zero"),
    ("three proteins", "needs_four_proteins", "too few proteins"),
    ("few cells", "needs_ten_cells", "too few cells"),
    ("odd names", "ascii_only", "no cells of the input"),
    ("odd names", "sorts_cells", "another embedding"),
    ("mosaic", "needs_every_modality_in_every_cell", "cells that lack something"),
    ("mosaic", "drops_incomplete_cells", "70 rows for 100 cells"),
    ("absent device", "good", "ran all the same"),
    ("absent device", "device_99", "not applicable"),
    ("no home", "needs_home", "No such file"),
    ("parameters: amount", "one_amount", "only 8"),
    ("parameters: amount", "wrong_record", "records 8"),
]
#: Shown elsewhere: with containers, with another model.yaml, by their own tests below.
ELSEWHERE = {
    "network", "read-only root", "volumes", "any user", "lacking modality", "files", "resources",
    "request to end",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return careless_model(tmp_path_factory.mktemp("careless"))


@pytest.mark.parametrize(("name", "behaviour", "words"), BROKEN)
def test_a_broken_promise_is_found(model: ModelSpec, name: str, behaviour: str, words: str) -> None:
    result = check(model, LocalEngine(), behaviour, name).result(name)
    assert result.status is CheckStatus.FAILED, result
    assert words in f"{result.happened} {' '.join(result.log)}"
    assert result.to_do
    assert result.expected


def test_a_model_for_complete_data_is_given_no_mosaic(tmp_path: Path) -> None:
    model = careless_model(tmp_path, mosaic=False)
    result = check(model, LocalEngine(), "good", "mosaic").result("mosaic")
    assert result.status is CheckStatus.NOT_APPLICABLE
    assert "mosaic: false" in result.happened


def test_every_check_is_shown_to_fail() -> None:
    shown = {name for name, _, _ in BROKEN} | ELSEWHERE
    assert {check.name for check in CHECKS} <= shown


@pytest.mark.parametrize(
    ("behaviour", "words"), [("good", "an embedding"), ("no_reason", "without a reason")]
)
def test_a_lacking_modality_that_is_not_noticed(tmp_path: Path, behaviour: str, words: str) -> None:
    model = careless_model(tmp_path, BOTH)
    result = check(model, LocalEngine(), behaviour, "lacking modality").result("lacking modality")
    assert result.status is CheckStatus.FAILED, result
    assert words in result.happened


def test_threads_beyond_the_share_are_found(model: ModelSpec, tmp_path: Path) -> None:
    """With a real run's record, and CPU time as three busy threads would leave it."""
    trials = TrialRunner(
        LocalEngine(),
        LocalEngine().prepare(model, build=True, tell=silent),
        tmp_path / "runs",
        time_limit=60,
        device="cpu",
    )
    parameters = {"behaviour": "good", "amount": 8}
    context = CheckContext(model, trials, TinyData(tmp_path / "home"), parameters, {}, False)
    assert resources(context).status is CheckStatus.PASSED
    usage = Usage(wall_seconds=10, cpu_seconds=30, peak_memory_bytes=10**6)
    record = context.usual.record.model_copy(update={"usage": usage})
    context.__dict__["usual"] = replace(context.usual, record=record)
    answer = resources(context)
    assert answer.status is CheckStatus.FAILED
    assert "3.0 cores at once" in answer.happened


def test_a_request_to_end_that_is_not_heard(
    model: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multiverse.runner.supervise.GRACE_SECONDS", 1.0)  # instead of ten
    result = check(model, LocalEngine(), "deaf", "request to end").result("request to end")
    assert result.status is CheckStatus.FAILED, result
    assert "had to be killed" in result.happened


def test_a_good_model_has_one_thing_to_do(model: ModelSpec) -> None:
    """It never looks at its device, and nothing else is wrong with it."""
    report = check(model, LocalEngine(), "right_record")
    failed = [result.name for result in report.results if result.status is CheckStatus.FAILED]
    assert failed == ["absent device"]
    assert report.resources["threads"] == 1
    skipped = {item.name for item in report.results if item.status is CheckStatus.NOT_APPLICABLE}
    assert skipped == {
        "network", "read-only root", "volumes", "any user", "lacking modality",
        "parameters: behaviour",
    }  # fmt: skip


def test_what_is_no_failure_is_noted(model: ModelSpec) -> None:
    report = check(model, LocalEngine(), "extra", "files", "parameters: amount")
    assert [result.status for result in report.results] == [CheckStatus.NOTE, CheckStatus.NOTE]
    assert "model.pt" in report.result("files").happened
    assert "same embedding" in report.result("parameters: amount").happened


def test_checks_that_need_the_usual_run_are_left_out(model: ModelSpec) -> None:
    report = check(model, LocalEngine(), "fail", "contract", "determinism", "labels")
    statuses = {result.name: result.status for result in report.results}
    assert statuses == {
        "contract": CheckStatus.FAILED,
        "labels": CheckStatus.NOT_APPLICABLE,
        "determinism": CheckStatus.NOT_APPLICABLE,
    }
    assert "no such thing" in " ".join(report.result("contract").log)
    assert not report.passed
