"""The stacks of packages that images share, each an image on top of the one before.

A model is built on the largest stack whose locked packages are all in the model's own lock: the
content decides, so that a model from anywhere shares what it can. An image then adds only what
its own lock has besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import multiverse
from multiverse.images.locks import read_pins
from multiverse.images.sdk import PACKAGE


@dataclass(frozen=True)
class Stack:
    """One shared image. ``lock``: relative to the package; it holds its parent's lock."""

    name: str
    lock: str
    parent: Stack | None = None
    suffix: str = ""

    @property
    def tag(self) -> str:
        """``multiverse-torch:1.0.0``; with the suffix ``-cuda`` for a stack with CUDA."""
        return f"multiverse-{self.name}:{multiverse.__version__}{self.suffix}"

    @property
    def path(self) -> Path:
        return PACKAGE / self.lock

    def within(self, lock: Path) -> bool:
        """Return whether a lock asks for everything that this stack holds, in the same versions."""
        wanted = read_pins(lock)
        return all(
            name in wanted and wanted[name].allows(pin)
            for name, pin in read_pins(self.path).items()
        )


BASE = Stack("base", "models/common.txt")
TORCH = Stack("torch", "models/torch.txt", BASE)
SCVI = Stack("scvi", "models/scvi.txt", TORCH)
TORCH_CUDA = Stack("torch", "models/torch-cuda.txt", BASE, "-cuda")
SCVI_CUDA = Stack("scvi", "models/scvi-cuda.txt", TORCH_CUDA, "-cuda")
#: Smallest first on each branch.
STACKS = (BASE, TORCH, SCVI, TORCH_CUDA, SCVI_CUDA)


def stack_for(lock: Path) -> Stack:
    """Return the largest stack within a lock; the base for one that shares less or is absent."""
    if not lock.is_file():
        return BASE
    return [BASE, *(stack for stack in STACKS if stack.within(lock))][-1]
