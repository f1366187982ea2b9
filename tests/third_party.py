"""An engine of a third party as users have one: a distribution with an entry point."""

from __future__ import annotations

import textwrap
from pathlib import Path

#: What every such engine begins with: it is there, and has nothing to do.
_BASE = """
from multiverse.engines.protocol import Capacity, Runtime
from multiverse.facts import EngineFacts

class BareEngine:
    def facts(self):
        return EngineFacts(name=self.name, version="1", isolation="none")

    def capacity(self):
        return Capacity(8.0, 64 * 1024**3)

    def check_device(self, device):
        pass

    def device_inside(self, device):
        return device

    def orphans(self, labels):
        return []

    def sweep(self, labels):
        return 0

    def prepare(self, model, *, build, tell):
        return Runtime(model=model, environment_lock="none")
"""


def install_engine(folder: Path, name: str, code: str) -> None:
    """Install an engine into a folder of ``PYTHONPATH``.

    ``code`` makes a class ``Engine``; ``BareEngine`` is there for it.
    """
    module = f"{name}_engine"
    (folder / f"{module}.py").write_text(_BASE + textwrap.dedent(code))
    register_engine(folder, name, f"{module}:Engine")


def register_engine(folder: Path, name: str, place: str) -> None:
    """Write the metadata of a distribution whose entry point is the engine ``module:Class``."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    entry_points = f"[multiverse.engines]\n{name} = {place}\n"
    (information / "entry_points.txt").write_text(entry_points)
