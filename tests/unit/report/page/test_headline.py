"""The verdict on a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.facts import Cause, RunState
from multiverse.report.page.headline import Headline, make_headline
from multiverse.report.page.source import read_sources
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Member, ScoresFile
from tests.unit.report.page.folder import (
    Data,
    add_failure,
    add_run,
    add_scores,
    make_folder,
)

MODELS = ("pca", "mofa", "totalvi")


def headline(results: ResultsFolder) -> Headline:
    return make_headline(read_sources(Results.open(results))[0])


def test_a_clear_best(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, MODELS, totals=(0.5, 0.6, 0.8), width=0.02))
    assert found.answer == "totalvi scores highest, beyond every other model's interval."
    assert "Total 0.800 (95 % interval 0.780 to 0.820), from 5 of 5 metrics" in found.sentences[0]
    assert any(sentence.startswith("Next: mofa with 0.600") for sentence in found.sentences)


def test_ties_are_named(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, MODELS, totals=(0.5, 0.79, 0.8), width=0.02))
    assert found.answer == "totalvi scores highest, but is tied with mofa."


def test_without_an_interval_nothing_is_sure(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, MODELS, totals=(0.5, 0.6, 0.8), width=0))
    assert "how sure that is isn't known" in found.answer


def test_controls_that_do_as_well(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, ["pca", "mofa"], totals=(0.38, 0.3), width=0.02))
    text = " ".join(found.sentences)
    assert "Controls that do as well, within its interval: pca_rna (0.400)" in text
    assert "label_oracle" not in text


def test_one_seed_is_said_and_several_are_not(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    records = [add_run(results, data, model, seed=seed) for model in MODELS for seed in (0, 1)]
    add_scores(results, data, records)
    assert not any("One seed" in warning for warning in headline(results).warnings)
    assert any("One seed" in w for w in headline(make_folder(tmp_path / "one")).warnings)


def without_kbet(results: ResultsFolder, *models: str) -> ResultsFolder:
    """The folder, where a metric of these models has failed."""
    path = results.scores("small")
    evaluation = ScoresFile.read(path).evaluations[0]
    members = {
        run_id: _without_kbet(member) if member.name in models else member
        for run_id, member in evaluation.members.items()
    }
    changed = evaluation.model_copy(update={"members": members})
    path.write_text(ScoresFile(dataset="small", evaluations=(changed,)).to_json())
    return results


def _without_kbet(member: Member) -> Member:
    scores = {**member.scores, "kbet_per_label": member.scores["seed_stability"]}
    total = member.total.model_copy(update={"available": 4, "missing": ("kbet_per_label",)})
    return member.model_copy(update={"scores": scores, "total": total})


def test_the_claim_is_only_about_those_that_share_its_metrics(tmp_path: Path) -> None:
    made = make_folder(tmp_path, MODELS, totals=(0.5, 0.9, 0.8), width=0.02)
    found = headline(without_kbet(made, "mofa"))
    assert found.answer == (
        "totalvi scores highest of the 2 that share its metrics, beyond the intervals of all "
        "others among them. Not ranked, for other metrics, with a higher total: mofa (0.900 from "
        "4 of 5 metrics)."
    )


def test_a_lower_total_that_is_not_ranked_is_not_named_in_the_answer(tmp_path: Path) -> None:
    made = make_folder(tmp_path, MODELS, totals=(0.79, 0.3, 0.8), width=0.02)
    assert headline(without_kbet(made, "mofa")).answer == (
        "totalvi scores highest of the 2 that share its metrics, but is tied with pca."
    )


def test_alone_with_its_metrics(tmp_path: Path) -> None:
    made = make_folder(tmp_path, ["pca", "mofa"], totals=(0.5, 0.6), width=0.02)
    answer = headline(without_kbet(made, "mofa")).answer
    assert answer.startswith("pca is the only one of 2 with its metrics: none is ranked beside it.")
    assert "mofa (0.600 from 4 of 5 metrics)" in answer


def test_different_coverage_is_a_warning(tmp_path: Path) -> None:
    results = without_kbet(make_folder(tmp_path, MODELS), "mofa")
    warnings = " ".join(headline(results).warnings)
    assert "don't compare across all models; not ranked with the rest: mofa" in warnings


@pytest.mark.parametrize("missing", ["label", "batch"])
def test_no_total_says_why(tmp_path: Path, missing: str) -> None:
    data = Data(label=None) if missing == "label" else Data(batch=None)
    found = headline(make_folder(tmp_path, data=data))
    assert "No model has a total (a group of metrics is not available)" in found.answer
    other = "batch" if missing == "label" else "bio"
    assert any(f"The best {other} score" in sentence for sentence in found.sentences)


def test_what_did_not_complete_is_counted(tmp_path: Path) -> None:
    results = make_folder(tmp_path, MODELS)
    add_failure(results, Data(), "cobolt")
    add_failure(
        results, Data(), "multivi", state=RunState.NOT_APPLICABLE, cause=Cause.NOT_APPLICABLE
    )
    warnings = headline(results).warnings
    assert "1 of 5 runs did not complete: cobolt." in warnings
    assert "Not applicable to these data: multivi." in warnings


def test_complete_but_not_scored(tmp_path: Path) -> None:
    results = make_folder(tmp_path, MODELS)
    add_run(results, Data(), "cobolt")
    assert any(
        "Complete but not scored: cobolt" in warning for warning in headline(results).warnings
    )


def test_several_runs_of_a_model_are_told_apart(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    for seed in (0, 1):
        add_run(results, data, "pca", seed=seed)
    add_run(results, data, "pca", changed={"n_latent": 5})
    titles = set(read_sources(Results.open(results))[0].run_titles.values())
    assert titles == {"pca seed 0", "pca seed 1", "pca n_latent=5 seed 0"}
