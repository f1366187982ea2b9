"""The verdict on a dataset."""

from __future__ import annotations

from pathlib import Path

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
    assert found.answer == (
        "totalvi has the highest total, distinguishably above every other model's, judged by the "
        "sampling of cells alone: one seed a model says nothing of training."
    )
    assert "Total 0.800 (95 % interval 0.780 to 0.820), from 5 of 5 metrics" in found.sentences[0]
    assert any(sentence.startswith("Next: mofa with 0.600") for sentence in found.sentences)


def test_ties_are_named(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, MODELS, totals=(0.5, 0.79, 0.8), width=0.02))
    assert found.answer.startswith(
        "totalvi has the highest total, but is indistinguishable from mofa, judged by the sampling"
    )
    assert any("paired difference holds 0" in sentence for sentence in found.sentences)


def test_without_an_interval_nothing_is_sure(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, MODELS, totals=(0.5, 0.6, 0.8), width=0))
    assert "how sure that is isn't known" in found.answer


def test_other_choices_of_metrics_are_named_where_ranks_change(tmp_path: Path) -> None:
    """Not where the order of models that are indistinguishable does."""
    results = make_folder(tmp_path, MODELS, totals=(0.5, 0.6, 0.8), width=0.02)
    path = results.scores("small")
    evaluation = ScoresFile.read(path).evaluations[0]

    def shifted(member: Member, by: float) -> Member:
        names = {"leiden_nmi": by, "kmeans_ari": -by}
        scores = {
            name: score.model_copy(
                update={
                    "value": (score.value or 0) + names[name],
                    "replicates": tuple((one or 0) + names[name] for one in score.replicates),
                }
            )
            if name in names
            else score
            for name, score in member.scores.items()
        }
        return member.model_copy(update={"scores": scores})

    members = {
        run_id: shifted(member, 0.6) if member.name == "mofa" else member
        for run_id, member in evaluation.members.items()
    }
    changed = evaluation.model_copy(update={"members": members})
    path.write_text(ScoresFile(dataset="small", evaluations=(changed,)).to_json())
    said = [one for one in headline(results).sentences if one.startswith("With")]
    assert said == ["With k-means clusters only the ranks are totalvi (1), pca (2), mofa (3)."]


def test_a_control_that_no_model_beats_comes_first(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, ["pca", "mofa"], totals=(0.38, 0.3), width=0.02))
    assert found.answer.startswith(
        "No model distinguishably beats the control pca_rna (total 0.400). pca has the highest"
    )
    assert (
        "No distinguishable gain over one modality of its own input: pca (0.380; pca_rna 0.400)."
    ) in found.sentences
    assert (
        "Distinguishably below one modality of its own input: mofa (0.300; pca_rna 0.400)."
    ) in found.sentences
    assert "label_oracle" not in " ".join([found.answer, *found.sentences])


def test_a_model_below_its_own_input_is_named_though_the_best_is_not(tmp_path: Path) -> None:
    found = headline(make_folder(tmp_path, ["pca", "mofa"], totals=(0.6, 0.3), width=0.02))
    assert "control" not in found.answer
    assert (
        "Distinguishably below one modality of its own input: mofa (0.300; pca_rna 0.400)."
    ) in found.sentences


def test_one_seed_is_said_in_the_claim_and_several_are_not(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    models = ("pca", "mofa", "totalvi")
    records = [add_run(results, data, model, seed=seed) for model in models for seed in (0, 1)]
    add_scores(results, data, records, totals=(0.5, 0.5, 0.6, 0.6, 0.8, 0.8))
    assert "one seed" not in headline(results).answer
    single = [*records[:4], add_run(results, data, "totalvi", seed=7)]
    add_scores(results, data, single, totals=(0.5, 0.5, 0.6, 0.6, 0.8))
    assert headline(results).answer.endswith(
        "judged without the chance in training of totalvi, of one seed."
    )


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
    assert found.answer.startswith(
        "totalvi has the highest total of the 2 that share its metrics, distinguishably above that "
        "of all others among them"
    )
    assert found.answer.endswith(
        "Not ranked, for other metrics, with a higher total: mofa (0.900 from 4 of 5 metrics)."
    )


def test_a_lower_total_that_is_not_ranked_is_not_named_in_the_answer(tmp_path: Path) -> None:
    made = make_folder(tmp_path, MODELS, totals=(0.79, 0.3, 0.8), width=0.02)
    answer = headline(without_kbet(made, "mofa")).answer
    assert answer.startswith(
        "totalvi has the highest total of the 2 that share its metrics, but is indistinguishable "
        "from pca"
    )
    assert "mofa" not in answer


def test_alone_with_its_metrics(tmp_path: Path) -> None:
    made = make_folder(tmp_path, ["pca", "mofa"], totals=(0.5, 0.6), width=0.02)
    answer = headline(without_kbet(made, "mofa")).answer
    assert answer.startswith("pca is the only one of 2 with its metrics: none is ranked beside it.")
    assert "mofa (0.600 from 4 of 5 metrics)" in answer


def test_different_coverage_is_a_warning(tmp_path: Path) -> None:
    results = without_kbet(make_folder(tmp_path, MODELS), "mofa")
    warnings = " ".join(headline(results).warnings)
    assert "don't compare across all models; not ranked with the rest: mofa" in warnings


def test_without_a_batch_the_bio_score_is_compared(tmp_path: Path) -> None:
    made = make_folder(tmp_path, MODELS, data=Data(batch=None), totals=(0.5, 0.79, 0.8), width=0.02)
    found = headline(made)
    assert found.answer.startswith(
        "totalvi has the highest bio score, but is indistinguishable from mofa"
    )
    start = "Bio score 0.800 (95 % interval 0.780 to 0.820), from 3 of 3 metrics."
    assert found.sentences[0] == start


def test_without_labels_nobody_is_best(tmp_path: Path) -> None:
    """A random embedding mixes batches best, and what is kept is kept of one reference."""
    found = headline(make_folder(tmp_path, MODELS, data=Data(label=None), totals=(0.5, 0.6, 0.8)))
    assert found.answer.startswith("No model has a bio score (")
    assert "none can be called best" in found.answer
    text = " ".join(found.sentences)
    assert "The highest batch score is that of totalvi" in text
    assert "Alone it names no best model" in text
    assert "rank nothing" in text


def test_remarks_on_values_are_warnings_with_their_models(tmp_path: Path) -> None:
    results = make_folder(tmp_path, MODELS)
    path = results.scores("small")
    evaluation = ScoresFile.read(path).evaluations[0]
    members = {
        run_id: member.model_copy(
            update={
                "scores": {
                    **member.scores,
                    "bras": member.scores["bras"].model_copy(update={"detail": "it follows depth"}),
                }
            }
        )
        if member.name == "pca"
        else member
        for run_id, member in evaluation.members.items()
    }
    changed = evaluation.model_copy(update={"members": members})
    path.write_text(ScoresFile(dataset="small", evaluations=(changed,)).to_json())
    assert "BRAS (pca): it follows depth." in headline(results).warnings


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
