"""Which shared stack a model is built on: the content of its lock decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.images.context import staged_stack
from multiverse.images.locks import read_pins
from multiverse.images.sdk import PACKAGE
from multiverse.images.stacks import (
    BASE,
    SCVI,
    SCVI_CUDA,
    STACKS,
    TORCH,
    TORCH_CUDA,
    Stack,
    stack_for,
)

MODELS = PACKAGE / "models"


@pytest.mark.parametrize(
    ("lock", "stack"),
    [
        ("pca/requirements.txt", BASE),
        ("mofa/requirements.txt", BASE),
        ("mofa/requirements-cuda.txt", BASE),
        ("cobolt/requirements.txt", TORCH),
        ("mowgli/requirements.txt", TORCH),
        ("multivi/requirements.txt", SCVI),
        ("totalvi/requirements.txt", SCVI),
        ("cobolt/requirements-cuda.txt", TORCH_CUDA),
        ("mowgli/requirements-cuda.txt", TORCH_CUDA),
        ("multivi/requirements-cuda.txt", SCVI_CUDA),
        ("totalvi/requirements-cuda.txt", SCVI_CUDA),
    ],
)
def test_each_model_is_built_on_the_largest_stack_that_it_holds(lock: str, stack: Stack) -> None:
    assert stack_for(MODELS / lock) == stack


def test_one_other_version_and_the_smaller_stack_is_taken(tmp_path: Path) -> None:
    text = (MODELS / "totalvi/requirements.txt").read_text()
    other = tmp_path / "requirements.txt"
    other.write_text(text.replace("scvi-tools==1.4.2", "scvi-tools==1.4.1"))
    assert stack_for(other) == TORCH
    other.write_text(text.replace("torch==2.13.0+cpu", "torch==2.12.0+cpu"))
    assert stack_for(other) == BASE


def test_a_lock_that_shares_nothing_or_is_absent_gets_the_base(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    assert stack_for(lock) == BASE
    lock.write_text("numpy==1.0\n")
    assert stack_for(lock) == BASE


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.tag)
def test_each_stack_holds_its_parent(stack: Stack) -> None:
    assert stack.parent is None or stack.parent.within(stack.path)
    assert (stack.parent is None) == (stack is BASE)


def test_models_that_share_nine_tenths_share_a_base() -> None:
    """Measured in pinned packages, for each two of the six."""
    locks = sorted(MODELS.glob("*/requirements.txt"))
    pins = {lock: set(read_pins(lock)) for lock in locks}
    for one in locks:
        for other in locks:
            shared = stack_for(one).path, stack_for(other).path
            if len(pins[one] & pins[other]) > 0.9 * len(pins[one] | pins[other]):
                common = BASE if BASE.path in shared else TORCH
                assert common.within(one)
                assert common.within(other)


def test_a_stacks_context_changes_with_its_own_lock_only() -> None:
    with staged_stack(TORCH) as context:
        files = {
            path.relative_to(context.folder / "multiverse").as_posix()
            for path in context.folder.rglob("*")
            if path.is_file()
        }
        assert context.dockerfile.is_file()
    assert files == {
        "images/install-environment.sh",
        "images/settle.py",
        "images/stack/Dockerfile",
        "models/torch.txt",
        "worker/umap_layout.py",
    }
