"""The Methods section says what is true of a folder, and nothing else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import multiverse.models
from multiverse.cli.parser import make_parser
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.scores import Group, MetricFacts, Reason, Score
from multiverse.errors import ResultsError
from multiverse.facts import GpuUsage
from multiverse.report.text.methods import methods_text, repeat_command
from multiverse.report.text.methods_missing import OF_THE_DATA, OTHERS
from multiverse.report.text.methods_table import MethodsRow, methods_table
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluator, Member, Weights
from multiverse.specs.model import ModelSpec
from tests.unit.report.made import (
    FINGERPRINT,
    keep_failure,
    make_evaluation,
    make_member,
    make_record,
    publish_run,
    scored_folder,
    write_evaluation,
)

MODELS = Path(multiverse.models.__path__[0])


def test_a_whole_benchmark_is_described(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r", seeds=(0, 1))
    text = methods_text(Results.open(results))
    for words in (
        "pbmc (60 cells, 2,000 rna and 10 adt features, 2 batches, 2 labels, "
        "2 cells without a label)",
        "MOFA+ (Argelaguet et al. 2020; mofapy2 0.7.5",
        "seeds 0 and 1.",
        "multiverse's evaluator 1.0.0 with scib-metrics 0.5.10",
        "(2 metrics of biology kept, 2 of batches mixed and 1 of structure), as were 2 controls",
        "0.6 × biology + 0.4 × batch (Luecken et al. 2022)",
        "95 % interval of their paired difference",
        "raw counts, without labels",
    ):
        assert words in text
    assert "did not complete" not in text
    assert "Approximate" not in text
    assert "Not available" not in text
    assert "sha256" not in text
    assert FINGERPRINT not in text


def test_versions_settings_and_digests_stand_in_the_table(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r", seeds=(0, 1), libraries={"mofapy2": "0.7.6"})
    rows = methods_table(Results.open(results))
    assert len(rows) == len(set(rows))
    found = {row.what: row for row in rows}
    assert found["dataset pbmc"] == MethodsRow(
        "dataset pbmc", "60 cells", "labels: column cell_type; batches: column donor", FINGERPRINT
    )
    assert found["MOFA+"] == MethodsRow(
        "MOFA+", "mofapy2 0.7.6, wrapper 1.0.0", "scale=True",
        "multiverse-mofa:1.0.0 sha256:" + "1" * 64,
    )  # fmt: skip
    assert found["evaluator"].version == "1.0.0, scib-metrics 0.5.10"
    assert found["evaluator"].digest.endswith("sha256:" + "e" * 64)
    assert found["evaluator"].settings.startswith("replicates=")
    assert found["metrics of biology kept"].settings == "NMI (Leiden) and cLISI"
    assert found["controls"].settings == "random and label oracle"
    assert found["engine docker 27.1"].settings == "container: no network"
    assert (found["machine"].version, found["machine"].settings) == (
        "Linux", "A CPU, 8 CPU cores, 16.0 GiB of memory; 2 threads a run",
    )  # fmt: skip
    assert methods_table(Results.open(ResultsFolder(tmp_path / "r"))) == rows


#: The metrics of the evaluator, as they are called.
TITLES = {
    Group.BIO: ("NMI (Leiden)", "ARI (Leiden)", "NMI (k-means)", "ARI (k-means)",
                "Silhouette (labels)", "Isolated labels", "cLISI"),
    Group.BATCH: ("BRAS", "iLISI", "kBET", "Graph connectivity", "PCR comparison"),
    Group.STRUCTURE: ("Neighbourhoods kept", "Seed stability"),
}  # fmt: skip


def test_the_plain_case_takes_a_paragraph(tmp_path: Path) -> None:
    """One dataset, three models, one engine, all metrics and controls."""
    libraries = {"totalvi": "scvi-tools", "mofa": "mofapy2", "pca": "multiverse"}
    results = ResultsFolder(tmp_path)
    members = {}
    facts = [
        MetricFacts(name=title, title=title, group=group, description="what it is")
        for group, titles in TITLES.items()
        for title in titles
    ]
    for model, library in libraries.items():
        preprocessing = ModelSpec.load(MODELS / model).defaults("preprocessing")
        record = make_record(model, libraries={library: "1.2"}, preprocessing=preprocessing)
        member = make_member(model, 0.5, 0.6)
        scores = {fact.name: member.scores["bras"] for fact in facts}
        members[publish_run(results, record).run_id] = member.model_copy(update={"scores": scores})
    controls = {
        name: next(iter(members.values()))
        for name in ("random", "batch_one_hot", "label_oracle", "pca_rna", "pca_adt")
    }
    evaluation = make_evaluation(members, metrics=tuple(facts), controls=controls)
    write_evaluation(results, evaluation)
    text = methods_text(Results.open(results))
    assert "totalVI (Gayoso et al. 2021; scvi-tools 1.2)" in text
    assert "All ran with default parameters and preprocessing, seed 0." in text
    assert 100 < len(text.split()) <= 170, text


def test_the_library_is_named_and_not_the_wrapper(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record("totalvi", libraries={"scvi-tools": "1.4.9"}))
    publish_run(results, make_record("mofa"))
    publish_run(results, make_record("cobolt", libraries={"multiverse": "1.0.0"}))
    publish_run(results, make_record("mowgli", libraries={"mowgli": "0.4.0"}))
    publish_run(results, make_record("somebodys"))
    text = methods_text(Results.open(results))
    assert "totalVI (Gayoso et al. 2021; scvi-tools 1.4.9)" in text
    assert "MOFA+ (Argelaguet et al. 2020; mofapy2 0.7.5, unchanged)" in text
    assert "multiverse 1.0.0, written anew: the whole model, from the paper's formulas)" in text
    assert "mowgli 0.4.0, written anew: the training loop, in a subclass)" in text
    assert "somebodys (its library is not recorded)" in text


def test_what_model_yaml_says_is_not_said_of_another_version(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record("mowgli", model_version="0.9.0"))
    publish_run(results, make_record("mofa", 0, libraries={"mofapy2": "0.7.4"}))
    publish_run(results, make_record("mofa", 1, libraries={"mofapy2": "0.7.5"}))
    text = methods_text(Results.open(results))
    assert "Mowgli (Huizing et al. 2023; its library is not recorded)" in text
    assert "mofapy2 0.7.4 and 0.7.5)" in text
    assert "preprocessed as the table says" in text


def test_nothing_is_said_of_an_evaluation_that_was_not_made(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record())
    text = methods_text(Results.open(results))
    assert "Joint principal component analysis" in text
    for word in ("scored", "scib", "interval", "controls", "Luecken", "batches"):
        assert word not in text


def test_data_without_scores_are_named_beside_those_that_have_them(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    assert "were not scored" not in methods_text(Results.open(results))
    publish_run(results, make_record(dataset="other", dataset_fingerprint="ab" * 32))
    text = methods_text(Results.open(results))
    assert "Embeddings of pbmc (fingerprint ffffffffffffffff) were scored by" in text
    assert f"Embeddings of other (fingerprint {'ab' * 8}) were not scored." in text


def test_missing_labels_and_other_weights_are_not_papered_over(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record())
    write_evaluation(
        results, make_evaluation({record.run_id: make_member("pca", None, 0.5)}, controls={})
    )
    text = methods_text(Results.open(results))
    assert "Not available for these data: NMI (Leiden) and cLISI." in text
    assert "0.6" not in text
    assert "control" not in text
    weights = Weights(bio=0.5, batch=0.5, metrics={"clisi": 0.0})
    member = make_member("pca", 0.5, 0.9)
    write_evaluation(results, make_evaluation({record.run_id: member}, weights=weights))
    text = methods_text(Results.open(results))
    assert "(weights other than 1: clisi 0); the total is 0.5 × biology + 0.5 × batch" in text
    assert "Luecken" not in text


def lacking(reasons: Mapping[str, Reason]) -> Member:
    member = make_member("pca", 0.5, 0.5)
    gone = {name: Score(value=None, reason=reason) for name, reason in reasons.items()}
    return member.model_copy(update={"scores": {**member.scores, **gone}})


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.ONE_SEED, "Not computed for want of a second seed: BRAS (1 of 2 embeddings)."),
        (Reason.METRIC_FAILED, "The computation failed: BRAS (1 of 2 embeddings)."),
        (Reason.EVALUATOR_FAILED, "because the evaluator ended early: BRAS (1 of 2 embeddings)."),
        (Reason.DAMAGED, "are not those that it published: BRAS (1 of 2 embeddings)."),
        (Reason.CONSTANT_EMBEDDING, "for constant embeddings: BRAS (1 of 2 embeddings)."),
    ],
)
def test_what_does_not_lie_in_the_data_is_not_blamed_on_them(
    tmp_path: Path, reason: Reason, words: str
) -> None:
    results = ResultsFolder(tmp_path)
    runs = [publish_run(results, make_record(model)).run_id for model in ("pca", "mofa")]
    members = [lacking({"bras": reason}), make_member("mofa", 0.5, 0.5)]
    write_evaluation(results, make_evaluation(dict(zip(runs, members, strict=True))))
    text = methods_text(Results.open(results))
    assert words in text
    assert "Not available for these data" not in text


def test_every_reason_has_its_sentence() -> None:
    assert OF_THE_DATA | OTHERS.keys() == set(Reason)
    assert not OF_THE_DATA & OTHERS.keys()


def test_only_the_runs_metrics_are_said(tmp_path: Path) -> None:
    """The controls have values of what the runs lack, and lack what nobody asked them for."""
    results = ResultsFolder(tmp_path)
    run_id = publish_run(results, make_record()).run_id
    reasons = {"bras": Reason.CONFOUNDED, "kbet_per_label": Reason.METRIC_FAILED}
    control = lacking({"clisi": Reason.NO_LABELS, "leiden_nmi": Reason.METRIC_FAILED})
    evaluation = make_evaluation({run_id: lacking(reasons)}, controls={"pca_rna": control})
    write_evaluation(results, evaluation)
    text = methods_text(Results.open(results))
    assert "(2 metrics of biology kept and 1 of structure), as was 1 control." in text
    assert "Not available for these data: BRAS." in text
    assert "The computation failed: kBET (1 of 1 embedding)." in text


def test_metrics_without_a_scale_are_named(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    record = publish_run(results, make_record())
    member = make_member("pca", 0.5, 0.5)
    assert "Without a scale" not in methods_text(Results.open(scored_folder(tmp_path / "other")))
    close = member.scores["bras"].model_copy(update={"scaled": None})
    member = member.model_copy(update={"scores": {**member.scores, "bras": close}})
    write_evaluation(results, make_evaluation({record.run_id: member}))
    text = methods_text(Results.open(results))
    assert "Without a scale here" in text
    assert "lack a value: BRAS; means of scaled" in text


def test_failures_parameters_gpus_and_labels_are_named(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    gpu = GpuUsage(name="NVIDIA H200", peak_memory_bytes=2**30)
    publish_run(results, make_record("totalvi", changed={"n_latent": 12}, device="cuda", gpu=gpu))
    keep_failure(results)
    supervised = {**make_record("oracle").identity, "labels": "a" * 64}
    publish_run(results, make_record("oracle", identity=supervised))
    text = methods_text(Results.open(results))
    assert "n_latent=12, otherwise default parameters" in text
    assert "Of 3 runs, 1 did not complete: mofa on pbmc, seed 0 (out of memory)." in text
    assert "totalvi computed on NVIDIA H200." in text
    assert "Labels were given to oracle, and to no other model." in text


def test_hostile_words_stay_on_their_line(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    hostile = {"\x1b[31mname\n\n": "x" * 1_000_000 + "\u202e"}
    publish_run(results, make_record(changed=hostile, message="\r\n"))
    text = methods_text(Results.open(results))
    assert len(text) < 5000
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert all(line.strip() for line in text.split("\n\n"))


def test_an_empty_folder_gives_an_empty_text_and_none_an_error(tmp_path: Path) -> None:
    assert methods_text(Results.open(tmp_path)) == ""
    with pytest.raises(ResultsError):
        methods_text(Results.open(tmp_path / "none"))


def commands(text: str) -> list[list[str]]:
    """The commands as a shell splits them; each is one that the program understands."""
    found = [shlex.split(line) for line in text.splitlines() if not line.startswith("#")]
    for words in found:
        assert make_parser().parse_args(words[1:]).command in ("run", "evaluate")
    return found


def test_the_command_repeats_the_benchmark(tmp_path: Path) -> None:
    text = repeat_command(Results.open(scored_folder(tmp_path / "r")))
    assert commands(text) == [
        ["multiverse", "run", "benchmark.yaml", "--engine", "docker", "--output", "results-again"]
    ]
    assert f"# dataset pbmc with the fingerprint {FINGERPRINT}" in text
    assert "# image multiverse-pca:1.0.0 sha256:" + "1" * 64 in text
    assert "not in benchmark.yaml" not in text


def test_runs_of_earlier_commands_are_said(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r")
    publish_run(results, make_record("cobolt"))
    assert "# not in benchmark.yaml, from earlier commands: pbmc/cobolt" in repeat_command(
        Results.open(results)
    )


def test_without_benchmark_yaml_the_records_say_what_was_run(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record(seed=3, changed={"name": "a'; touch x"}))
    found = commands(repeat_command(Results.open(results)))
    assert found == [
        ["multiverse", "run", "--models", "pca", "--dataset", "pbmc", "--seeds", "3", "-p",
         "pca.name=a'; touch x", "--engine", "docker", "--output", "results-again"]
    ]  # fmt: skip
    assert re.search(
        r"^# benchmark.yaml .* is missing", repeat_command(Results.open(results)), re.MULTILINE
    )


VALUES = [None, True, 0.5, 1e-05, "null", "5", "", " a  b", "x\ny", "\u202e🧬", [1, None], {"a": 1}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_changed_parameter_is_read_back_as_it_was(tmp_path: Path, value: object) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record(changed={"alpha": value}))
    (words,) = commands(repeat_command(Results.open(results)))
    (item,) = make_parser().parse_args(words[1:]).parameter
    name, _, text = item.partition("=")
    assert name == "pca.alpha"
    assert YAML(typ="safe", pure=True).load(text) == value


def evaluated_with(results: ResultsFolder, name: str, **settings: int) -> None:
    """One run of a dataset, scored with these settings."""
    run = publish_run(results, make_record(dataset=name))
    evaluator = Evaluator(version="1.0.0", scib_metrics="0.5.10", settings=settings)
    member = make_member("pca", 0.5, 0.5)
    write_evaluation(results, make_evaluation({run.run_id: member}, evaluator=evaluator), name=name)


def test_scores_of_other_settings_have_their_command(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    evaluated_with(results, "pbmc", max_cells=500, replicates=0, seed=3)
    text = repeat_command(Results.open(results))
    assert commands(text)[-1] == [
        "multiverse", "evaluate", "results-again", "--max-cells", "500", "--replicates", "0",
        "--engine", "docker",
    ]  # fmt: skip
    assert "# pbmc was scored with seed=3, for which there is no option" in text
    evaluated_with(results, "mop", replicates=200, max_cells=50_000)
    assert commands(repeat_command(Results.open(results)))[-1][-2:] == ["--datasets", "pbmc"]


def test_default_settings_need_no_command_of_their_own(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    evaluated_with(results, "pbmc", **EvaluationSettings().model_dump())
    assert "evaluate" not in repeat_command(Results.open(results))
