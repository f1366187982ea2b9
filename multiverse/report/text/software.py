"""The software that made embeddings, in words: its libraries, and what is written anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multiverse.report.words import listed, plain
from multiverse.runs.record import RunRecord
from multiverse.specs.model import ModelSpec


def software_words(spec: ModelSpec | None, records: Sequence[RunRecord]) -> str:
    """Return ``scvi-tools 1.4.2``, ``mowgli 0.4.0, written anew: the training loop``.

    The libraries are those that the runs recorded. Where they did not, ``spec``, the model as it
    is found here today, tells them if it is of the version that ran.
    """
    known = (
        spec if spec and {record.model_version for record in records} == {spec.version} else None
    )
    words = libraries_words(records) or (known and _first_sentence(known.yaml.code)) or ""
    parts = [words or "its library is not recorded"]
    if known and known.yaml.reimplemented:
        anew = _decapitalised(re.split(r"[:.](?:\s|$)", known.yaml.reimplemented, maxsplit=1)[0])
        parts.append(f"written anew: {plain(anew)}")
    return ", ".join(parts)


def libraries_words(records: Sequence[RunRecord]) -> str:
    """Return the libraries that all of these runs recorded, with every version of each."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, version in record.libraries.items():
            found.setdefault(plain(name, 60), {})[plain(version, 60)] = None
    if not all(record.libraries for record in records):
        return ""
    return listed(f"{name} {listed(sorted(versions))}" for name, versions in found.items())


def _first_sentence(text: str) -> str:
    return plain(_decapitalised(re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]))


def _decapitalised(text: str) -> str:
    """Return a text as it goes on within a sentence; a name such as MOFA stays as it is."""
    first, _, rest = text.strip().partition(" ")
    return f"{first.lower() if first.istitle() else first} {rest}".strip()
