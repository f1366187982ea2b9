"""Which variant of a model is checked for a GPU, and what a GPU is allowed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from multiverse.conformance import CheckStatus
from multiverse.engines.local import LocalEngine
from multiverse.engines.protocol import Runtime
from multiverse.events import Tell
from multiverse.specs.accelerator import CudaModel
from multiverse.specs.model import ModelSpec
from tests.unit.conformance.careless import careless_model, check


class WithGpu(LocalEngine):
    """Says that there is a GPU; the model of these tests never looks at its device."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[ModelSpec] = []

    def check_device(self, device: str) -> None:
        assert device in {"cpu", "cuda"}

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        self.prepared.append(model)
        return super().prepare(model, build=build, tell=tell)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    """A model with a lock for CUDA: the packages are the same, as it computes nothing."""
    folder = careless_model(tmp_path).folder
    shutil.copyfile(folder / "requirements.txt", folder / "requirements-cuda.txt")
    description = folder / "model.yaml"
    text = description.read_text().replace("memory: 512MiB}", "memory: 512MiB, gpu: optional}")
    description.write_text(text)
    return ModelSpec.load(folder)


@pytest.mark.parametrize(("device", "kind"), [("cpu", ModelSpec), ("cuda", CudaModel)])
def test_the_variant_of_the_device_is_checked(
    model: ModelSpec, device: str, kind: type[ModelSpec]
) -> None:
    engine = WithGpu()
    report = check(model, engine, "good", "contract", device=device)
    assert [type(prepared) for prepared in engine.prepared] == [kind]
    assert report.result("contract").status is CheckStatus.PASSED


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [("determinism", "unseeded"), ("extra modality", "greedy"), ("odd names", "sorts_cells")],
)
def test_other_bits_are_a_note_on_a_gpu(model: ModelSpec, name: str, behaviour: str) -> None:
    result = check(model, WithGpu(), behaviour, name, device="cuda").result(name)
    assert result.status is CheckStatus.NOTE, result
    assert result.happened == "another embedding, on a GPU"
    assert "differ by more" in result.to_do


def test_a_model_that_shows_no_gpu_fails_and_is_told_what_to_do(model: ModelSpec) -> None:
    result = check(model, WithGpu(), "idle_gpu", "contract", device="cuda").result("contract")
    assert result.status is CheckStatus.FAILED
    assert "which GPU it was" in result.to_do
