"""The names of a dataset's cells, read from ``data.h5mu`` without loading anything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CellNames:
    """Names of the input's cells, in order."""

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def read(cls, data: Path) -> CellNames:
        """Read the global ``obs`` index of a MuData file."""
        import h5py

        with h5py.File(data, "r") as file:
            obs = file["obs"]
            index = obs[obs.attrs["_index"]][...]
        return cls(tuple(name.decode() if isinstance(name, bytes) else str(name) for name in index))
