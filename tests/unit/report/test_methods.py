"""The Methods section says what is true of a folder, and nothing else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from multiverse.cli.parser import make_parser
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.contract.scores import Reason, Score
from multiverse.errors import ResultsError
from multiverse.facts import GpuUsage
from multiverse.report.text.methods import methods_text, repeat_command
from multiverse.report.text.methods_missing import OF_THE_DATA, OTHERS
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluator, Member
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


def test_a_whole_benchmark_is_described(tmp_path: Path) -> None:
    results = scored_folder(tmp_path / "r", seeds=(0, 1))
    text = methods_text(Results.open(results))
    for words in (
        f"pbmc (60 cells, 2,000 features of rna, 10 features of adt, 2 batches (column donor), "
        f"2 labels (column cell_type), 2 cells without a label, fingerprint {FINGERPRINT})",
        "MOFA+ (Argelaguet et al. 2020)",
        "image multiverse-mofa:1.0.0, digest sha256:" + "1" * 64,
        "seeds 0 and 1 (2 runs on pbmc)",
        "multiverse's evaluator 1.0.0 (image sha256:" + "e" * 64 + ") with scib-metrics 0.5.10",
        "conservation of biology by NMI (Leiden) and cLISI",
        "0.6 × biology + 0.4 × batch (Luecken et al. 2022)",
        "bootstrap over cells (200 replicates)",
        "Controls were scored in the same way: random and label oracle.",
        "a machine with A CPU, Linux, 8 CPU cores, 16.0 GiB of memory",
        "No model was given labels.",
    ):
        assert words in text
    assert "did not complete" not in text
    assert "Approximate" not in text
    assert "Not available" not in text


def test_nothing_is_said_of_an_evaluation_that_was_not_made(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record())
    text = methods_text(Results.open(results))
    assert "Joint principal component analysis" in text
    for word in ("scored", "scib", "bootstrap", "Controls", "Luecken", "batches"):
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
    assert "Controls" not in text
    member = make_member("pca", 0.5, 0.9)
    other = member.model_copy(update={"total": member.total.model_copy(update={"value": 0.7})})
    write_evaluation(results, make_evaluation({record.run_id: other}))
    assert "0.6" not in methods_text(Results.open(results))


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
    assert "Metrics: conservation of biology by NMI (Leiden) and cLISI; structure by" in text
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
