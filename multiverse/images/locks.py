"""Reads a lock: each package with its version and the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.images.sources import read_text

#: Where PyTorch publishes its wheels without CUDA, which are on no other public index.
PYTORCH_INDEX = "https://download.pytorch.org/whl/cpu"

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)===?([^\s;\\=]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One locked package. ``hashes``: of the files that may be installed; empty if not given."""

    version: str
    hashes: frozenset[str]

    def allows(self, other: Pin) -> bool:
        """Return whether an installed ``other`` is what this pin asks for."""
        if self.version != other.version:
            return False
        return not self.hashes or not other.hashes or bool(self.hashes & other.hashes)


def read_pins(lock: Path) -> Mapping[str, Pin]:
    """Read normalised name (PEP 503) → pin; lines that pin nothing, as options, are skipped.

    Raises :class:`BuildError` for a lock that is no regular file.
    """
    pins: dict[str, Pin] = {}
    text = read_text(lock).replace("\\\n", " ")
    for line in text.splitlines():
        if found := _PIN.match(line):
            name = re.sub(r"[-_.]+", "-", found[1]).lower()
            pins[name] = Pin(found[2], frozenset(_HASH.findall(line)))
    return pins


def needs_pytorch_index(lock: Path) -> bool:
    """Return whether a package is a CPU build that only PyTorch's own index publishes."""
    return any(pin.version.endswith("+cpu") for pin in read_pins(lock).values())
