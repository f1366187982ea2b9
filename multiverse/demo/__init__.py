"""Two datasets made without any download: real RNA counts and a seeded simulation.

May import contract, errors and events.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.events import Tell, silent

if TYPE_CHECKING:
    from multiverse.demo.folder import DemoDataset

__all__ = ["make_demo"]


def make_demo(
    folder: Path, *, n_cells: int = 500, seed: int = 0, tell: Tell = silent
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
    from multiverse.contract.folders import resolved
    from multiverse.demo.folder import DemoFolder

    return DemoFolder(resolved(folder), tell).make(n_cells=n_cells, seed=seed)
