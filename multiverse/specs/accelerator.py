"""Accelerators of a model's image and environment: the CPU, or NVIDIA's GPUs as well (CUDA).

A model that can use a GPU has two locks, ``requirements.txt`` and ``requirements-cuda.txt``, and
so two images and two environments. Everything that builds, finds or runs a model takes the
variant like any other model: only its lock and its tag differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from multiverse.errors import UsageError
from multiverse.specs.model import ModelSpec

Accelerator = Literal["cpu", "cuda"]


class CudaModel(ModelSpec):
    """The CUDA variant of a model."""

    @property
    def image_tag(self) -> str:
        """``multiverse-totalvi:1.0.0-cuda``."""
        return f"{super().image_tag}-cuda"

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements-cuda.txt"


def has_cuda_variant(model: ModelSpec) -> bool:
    """Return whether the model can use a GPU and its author locked what that needs."""
    lock = model.folder / "requirements-cuda.txt"
    return model.yaml.resources.gpu != "none" and lock.is_file()


def accelerator_of(model: ModelSpec) -> Accelerator:
    """Return the accelerator of a variant."""
    return "cuda" if isinstance(model, CudaModel) else "cpu"


def variant(model: ModelSpec, accelerator: Accelerator) -> ModelSpec:
    """Return the model for that accelerator; :class:`UsageError` if it has no such variant."""
    if accelerator == "cpu":
        return model
    if not has_cuda_variant(model):
        raise UsageError(
            f"{model.name} has no CUDA variant: its model.yaml says gpu: "
            f"{model.yaml.resources.gpu}, and requirements-cuda.txt "
            f"{'is' if (model.folder / 'requirements-cuda.txt').is_file() else 'is not'} there",
            remedy="build it without --accelerator cuda",
        )
    return CudaModel(yaml=model.yaml, folder=model.folder)


def model_for(model: ModelSpec, device: str) -> ModelSpec:
    """Return the model's variant for ``device``: CUDA for a GPU, where the model has one.

    An image without that variant may bring CUDA itself; it is taken as it is.
    """
    if device == "cpu" or not has_cuda_variant(model):
        return model
    return variant(model, "cuda")
