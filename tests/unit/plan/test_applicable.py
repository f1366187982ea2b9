"""Which models can use a mosaic, and what is said of the others, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import UsageError
from multiverse.plan import expand
from multiverse.plan.applicable import obstacle
from multiverse.registry.models import find_models
from multiverse.registry.registration import RegistrationOptions, register
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec
from tests.conftest import shared_dataset
from tests.unit.specs.test_cell_groups import groups, record

BUILT_IN = ("pca", "mofa", "multivi", "totalvi", "cobolt")


def model(folder: Path, modalities: str, *, mosaic: bool = False) -> ModelSpec:
    place = folder / "own"
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.yaml").write_text(
        f"name: own\nversion: 1.0.0\ntitle: Own\nimage: own\nmosaic: {str(mosaic).lower()}\n"
        f"modalities: {{optional: {modalities}}}\n"
    )
    return ModelSpec.load(place)


CITE = record(groups((("rna", "adt"), 1500), (("rna",), 1500)), n_obs=3000)


@pytest.mark.parametrize("name", ["pca", "mofa", "totalvi"])
def test_models_for_complete_cells_are_not_applicable(name: str) -> None:
    assert obstacle(CITE, find_models([name])[name]) == (
        f"1,500 of 3,000 cells lack adt, and {name} needs every modality in every cell"
    )


def test_cobolt_is_applicable() -> None:
    assert obstacle(CITE, find_models(["cobolt"])["cobolt"]) is None


def test_a_missing_modality_is_said_first() -> None:
    reason = obstacle(CITE, find_models(["multivi"])["multivi"])
    assert reason == "needs atac, but mosaic has adt, rna only"


def test_only_modalities_that_a_model_uses_count(tmp_path: Path) -> None:
    assert obstacle(CITE, model(tmp_path, "[rna]")) is None
    reason = obstacle(CITE, model(tmp_path, "[adt]"))
    assert reason == "1,500 of 3,000 cells lack adt, and own needs adt in every cell"


def test_every_modality_that_cells_lack_is_counted() -> None:
    dataset = record(groups((("rna", "adt"), 6), (("rna",), 3), (("adt",), 1)))
    assert obstacle(dataset, find_models(["pca"])["pca"]) == (
        "3 of 10 cells lack adt, 1 of 10 cells lack rna, and pca needs every modality in every cell"
    )


def test_what_a_model_for_mosaics_can_not_use(tmp_path: Path) -> None:
    dataset = record(groups((("rna", "atac"), 4), (("rna", "adt"), 6)))
    assert obstacle(dataset, model(tmp_path, "[rna, adt, atac]", mosaic=True)) is None
    assert obstacle(dataset, model(tmp_path, "[rna, adt]", mosaic=True)) is None
    assert obstacle(dataset, model(tmp_path, "[adt]", mosaic=True)) == (
        "4 of 10 cells have no adt, and own uses nothing else"
    )
    assert obstacle(dataset, model(tmp_path, "[atac, adt]", mosaic=True)) == (
        "no cell links adt to atac, and own uses nothing else"
    )


def test_only_cobolt_says_that_it_takes_a_mosaic() -> None:
    specs = find_models([*BUILT_IN])
    assert [name for name, spec in specs.items() if spec.yaml.mosaic] == ["cobolt"]


@pytest.fixture
def real(tmp_path: Path) -> DatasetRecord:
    options = RegistrationOptions(mosaic=True, batch_key="batch", label_key="cell_type")
    return register(shared_dataset("pbmc_mosaic"), options=options, home=tmp_path).record


@pytest.mark.data
def test_a_benchmark_on_a_real_mosaic(real: DatasetRecord) -> None:
    source = BenchmarkSource.of({"datasets": [real.slug], "models": list(BUILT_IN)})
    plan = expand(source, [real], find_models(BUILT_IN))
    assert [job.model.name for job in plan.jobs] == ["cobolt"]
    assert plan.jobs[0].modalities == ("rna", "adt")
    reasons = {pair.model: pair.reason for pair in plan.not_applicable}
    assert set(reasons) == {"pca", "mofa", "multivi", "totalvi"}
    assert reasons["totalvi"] == (
        "1,500 of 3,000 cells lack adt, and totalvi needs every modality in every cell"
    )
    alone = BenchmarkSource.of({"datasets": [real.slug], "models": ["totalvi"]})
    with pytest.raises(UsageError, match="no model is applicable: totalvi: 1,500 of 3,000"):
        expand(alone, [real], find_models(["totalvi"]))
