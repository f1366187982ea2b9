"""Two datasets made without any download: real RNA counts and a seeded simulation.

May import contract.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiverse.demo.folder import DemoDataset

__all__ = ["make_demo"]


def _silent(_: str) -> None:
    """For callers that need no progress."""


def make_demo(
    folder: Path, *, n_cells: int = 500, seed: int = 0, say: Callable[[str], None] = _silent
) -> list[DemoDataset]:
    """Write both demo datasets into ``folder``, or find them there unchanged.

    Parameters
    ----------
    folder
        Made if it is missing.
    n_cells
        Cells of the simulation; the real cells are always 700.
    seed
        Seed of the simulation.

    Raises
    ------
    UsageError
        scanpy, whose packaged data the real cells come from, is not installed; or the size of
        the simulation makes no sense.
    ResultsError, DiskFull
        The folder can't be written.
    """
    from multiverse.demo.folder import DemoFolder

    return DemoFolder(folder, say).make(n_cells=n_cells, seed=seed)
