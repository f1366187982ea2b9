"""Benchmark × registry → jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiverse.errors import SpecError, UsageError
from multiverse.plan import Plan, expand
from multiverse.registry.models import find_models
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.dataset import DatasetRecord, ModalitySummary
from multiverse.specs.model import ModelSpec


def dataset(slug: str = "pbmc", *modalities: str) -> DatasetRecord:
    summary = ModalitySummary(n_vars=10, n_values=10)
    return DatasetRecord(
        slug=slug,
        fingerprint=f"sha256:{slug}",
        n_obs=100,
        modalities=dict.fromkeys(modalities or ("rna",), summary),
        source_name="x.h5mu",
        source_sha256="0",
        options_sha256="0",
        registered_at="2026-01-01T00:00:00+00:00",
        multiverse_version="1.0.0",
    )


@pytest.fixture
def models(tmp_path: Path) -> dict[str, ModelSpec]:
    """pca and mofa as they are, and one that needs two modalities."""
    folder = tmp_path / "picky"
    folder.mkdir()
    (folder / "model.yaml").write_text(
        "name: picky\nversion: 1.0.0\ntitle: Picky\nimage: picky\n"
        "modalities: {required: [rna, atac]}\n"
        "parameters:\n  type: object\n  properties:\n"
        "    depth: {type: integer, default: 3, minimum: 1}\n"
        "resources: {gpu: optional}\n"
    )
    return find_models(["pca", "mofa", "picky"], [folder])


def planned(content: dict[str, Any], models: dict[str, ModelSpec], *data: DatasetRecord) -> Plan:
    return expand(BenchmarkSource.of(content), data or [dataset()], models)


def test_the_product_of_everything(models: dict[str, ModelSpec]) -> None:
    content = {
        "datasets": ["a", "b"],
        "models": ["pca", {"model": "mofa", "parameters": [{"n_factors": 5}, {"n_factors": 6}]}],
        "seeds": [0, 1],
    }
    plan = planned(content, models, dataset("a"), dataset("b", "rna", "adt"))
    assert len(plan.jobs) == 2 * 3 * 2
    assert plan.jobs[-1].modalities == ("rna", "adt")
    assert plan.jobs[-1].parameters["n_factors"] == 6
    assert plan.jobs[0].parameters == models["pca"].defaults("parameters")


def test_run_ids_are_distinct_stable_and_follow_content(models: dict[str, ModelSpec]) -> None:
    plan = planned({"datasets": ["a"], "models": ["pca", "mofa"], "seeds": [0, 1]}, models)
    ids = [job.identity("sha256:image").run_id for job in plan.jobs]
    assert len(set(ids)) == 4
    assert ids == [job.identity("sha256:image").run_id for job in plan.jobs]
    job = plan.jobs[0]
    base = job.identity("sha256:image")
    assert job.identity("sha256:other").run_id != base.run_id
    assert replace(job, device="cuda:0").identity("sha256:image").run_id != base.run_id
    assert (
        replace(job, device="cuda:0").identity("sha256:image").run_id
        == replace(job, device="cuda:1").identity("sha256:image").run_id
    ), "which of equal GPUs ran it changes nothing"


def test_what_changed_is_said(models: dict[str, ModelSpec]) -> None:
    job = planned({"datasets": ["a"], "models": ["mofa"]}, models).jobs[0]
    before = job.identity("sha256:image")
    after = replace(job, parameters={**job.parameters, "n_factors": 20}).identity("sha256:image")
    assert after.differences(before.plain()) == ["parameter n_factors 15 → 20"]
    assert job.identity("sha256:new").differences(before.plain()) == [
        "image or environment digest sha256:image → sha256:new"
    ]


def test_a_pair_that_makes_no_sense_is_not_planned(models: dict[str, ModelSpec]) -> None:
    plan = planned({"datasets": ["a"], "models": ["pca", "picky"]}, models)
    assert [job.model.name for job in plan.jobs] == ["pca"]
    assert "needs atac" in plan.not_applicable[0].reason
    with pytest.raises(UsageError, match="no model is applicable: picky: needs atac"):
        planned({"datasets": ["a"], "models": ["picky"]}, models)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"model": "pca", "parameters": {"n_component": 3}}, "did you mean 'n_components'"),
        ({"model": "mofa", "parameters": {"n_factors": "many"}}, "'many' is not of type 'integer'"),
        ({"model": "picky", "parameters": {"depth": 0}}, "less than the minimum"),
        ({"model": "picky", "parameters": {"depth": 2.5}}, "not of type 'integer'"),
        ({"model": "pca", "preprocessing": {"nope": 1}}, "no preprocessing setting 'nope'"),
        ({"model": "pcaa"}, "did you mean 'pca'"),
        ({"model": "pca", "device": "cuda"}, "can't use a GPU"),
    ],
)
def test_bad_entries_are_refused(
    models: dict[str, ModelSpec], entry: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        planned({"datasets": ["a"], "models": [entry]}, models)


def test_duplicate_jobs_are_refused(models: dict[str, ModelSpec]) -> None:
    for entries in (["pca", "pca"], [{"model": "mofa", "parameters": [{}, {"n_factors": 15}]}]):
        with pytest.raises(SpecError, match="is there already"):
            planned({"datasets": ["a"], "models": entries}, models)


def test_all_problems_with_the_lines_of_the_file(
    tmp_path: Path, models: dict[str, ModelSpec]
) -> None:
    path = tmp_path / "benchmark.yaml"
    path.write_text(
        "datasets: [a]\nmodels:\n  - model: pca\n    parameters:\n      n_component: 3\n"
        "  - pcaa\n  - model: mofa\n    parameters:\n      - {}\n      - n_factors: x\n"
    )
    with pytest.raises(SpecError) as caught:
        expand(BenchmarkSource.load(path), [dataset()], models)
    assert [problem.line for problem in caught.value.problems] == [5, 6, 10]


def test_the_most_particular_limit_wins(models: dict[str, ModelSpec]) -> None:
    content = {
        "datasets": ["a"],
        "models": ["pca", {"model": "mofa", "resources": {"cpus": 2}}],
        "resources": {"memory": "3GiB", "cpus": 1.5},
    }
    pca, mofa = planned(content, models).jobs
    assert (pca.limits.memory, pca.limits.cpus) == (3 * 1024**3, 1.5)
    assert (mofa.limits.memory, mofa.limits.cpus) == (3 * 1024**3, 2)


def test_the_same_data_under_two_names_are_refused(models: dict[str, ModelSpec]) -> None:
    twin = dataset("a").model_copy(update={"slug": "b"})
    with pytest.raises(UsageError, match="a and b are the same data"):
        planned({"datasets": ["a", "b"], "models": ["pca"]}, models, dataset("a"), twin)
