"""The folder of the demo datasets, and the note by which unchanged files are known."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.files import file_sha256, write_aside
from multiverse.demo.real_rna import write_pbmc68k
from multiverse.demo.simulation import MODEL_VERSION, write_simulation
from multiverse.errors import DiskFull, ResultsError
from multiverse.events import Noted, Tell


@dataclass(frozen=True)
class DemoDataset:
    """A file that can be registered, and the columns to register it with."""

    name: str
    path: Path
    batch_key: str | None
    label_key: str


@dataclass(frozen=True)
class DemoFolder:
    """Names the files of one demo. ``demo.json`` holds how each was made, and its SHA-256."""

    path: Path
    tell: Tell

    @property
    def note(self) -> Path:
        return self.path / "demo.json"

    def make(self, *, n_cells: int, seed: int) -> list[DemoDataset]:
        """Make both datasets; a file that is there, unchanged and made in the same way, stays."""
        real = DemoDataset("demo-pbmc68k", self.path / "pbmc68k.h5ad", None, "cell_type")
        simulated = DemoDataset(
            "demo-simulated", self.path / "simulated.h5mu", "batch", "cell_type"
        )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._ensure(real.path, {"source": "pbmc68k"}, write_pbmc68k)
            self._ensure(
                simulated.path,
                {"n_cells": n_cells, "seed": seed, "model": MODEL_VERSION},
                lambda path: write_simulation(path, n_cells=n_cells, seed=seed),
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"The disk of {self.path} has no room left") from error
            raise ResultsError(
                f"{self.path} can't be written: {error.strerror or error}",
                remedy="Choose a folder of your own.",
            ) from error
        return [real, simulated]

    def _ensure(
        self, path: Path, made_by: Mapping[str, object], write: Callable[[Path], Path]
    ) -> None:
        notes = self._notes()
        if path.is_file() and notes.get(path.name) == {**made_by, "sha256": file_sha256(path)}:
            self.tell(Noted(f"{path} is there already"))
            return
        self.tell(Noted(f"writing {path}"))
        write(path)
        notes[path.name] = {**made_by, "sha256": file_sha256(path)}
        write_aside(self.note, json.dumps(notes, indent=2) + "\n")

    def _notes(self) -> dict[str, object]:
        try:
            notes = json.loads(self.note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}
