"""Simulated datasets of any size, registered in a registry of the benchmark's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from measure import MULTIVERSE, timed

from multiverse.demo.simulation import write_simulation
from multiverse.registry.datasets import find_dataset


@dataclass(frozen=True)
class SimulatedDataset:
    """A registered simulation: its slug and the file that models see."""

    slug: str
    n_cells: int
    data: Path

    @classmethod
    def registered(
        cls, n_cells: int, folder: Path, environment: dict[str, str]
    ) -> SimulatedDataset:
        """Simulate RNA, ATAC and ADT of that many cells and register them by the command."""
        slug = f"simulated-{n_cells}"
        source = write_simulation(folder / f"{slug}.h5mu", n_cells=n_cells)
        command = [MULTIVERSE, "register", str(source), "--slug", slug]
        keys = ["--batch-key", "batch", "--label-key", "cell_type"]
        timed([*command, *keys], environment)
        source.unlink()
        found = find_dataset(slug, home=Path(environment["MULTIVERSE_HOME"]))
        return cls(slug, n_cells, found.data)
