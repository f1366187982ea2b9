"""CUDA variants: which models have one, and which jobs get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import BuildError, UsageError
from multiverse.images.build import build_models
from multiverse.images.sdk import PACKAGE
from multiverse.specs.accelerator import (
    accelerator_of,
    has_cuda_variant,
    model_for,
    variant,
)
from multiverse.specs.model import ModelSpec

WITH_CUDA = ["mofa", "multivi", "totalvi", "mowgli", "cobolt"]


def built_in(name: str) -> ModelSpec:
    return ModelSpec.load(PACKAGE / "models" / name)


@pytest.mark.parametrize("name", WITH_CUDA)
def test_a_job_on_a_gpu_gets_the_variant_and_one_on_the_cpu_never(name: str) -> None:
    model = built_in(name)
    for device in ("cuda", "cuda:1"):
        found = model_for(model, device)
        assert accelerator_of(found) == "cuda"
        assert found.image_tag == f"multiverse-{name}:1.0.0-cuda"
        assert found.requirements == model.folder / "requirements-cuda.txt"
        assert found.yaml == model.yaml
    assert model_for(model, "cpu") is model
    assert accelerator_of(model) == "cpu"


def test_a_model_without_a_variant_runs_as_it_is() -> None:
    pca = built_in("pca")
    assert not has_cuda_variant(pca)
    assert model_for(pca, "cuda") is pca
    with pytest.raises(UsageError, match="pca has no CUDA variant") as caught:
        variant(pca, "cuda")
    assert caught.value.remedy


def outside(folder: Path, gpu: str) -> ModelSpec:
    place = folder / "mine"
    place.mkdir()
    (place / "model.yaml").write_text(
        "name: mine\nversion: 1.0.0\ntitle: T\nimage: mine\n"
        f"modalities: {{optional: [rna]}}\nresources: {{gpu: {gpu}}}\n"
    )
    (place / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    return ModelSpec.load(place)


def test_an_image_without_a_cuda_lock_is_taken_for_the_gpu_too(tmp_path: Path) -> None:
    model = outside(tmp_path, "required")
    assert model_for(model, "cuda") is model


def test_a_dockerfile_that_knows_no_accelerator_makes_no_cuda_image(tmp_path: Path) -> None:
    model = outside(tmp_path, "optional")
    (model.folder / "requirements-cuda.txt").write_text("torch===2.13.0\n")
    with pytest.raises(BuildError, match="no ARG ACCELERATOR"):
        build_models([variant(model, "cuda")], tell=print)
