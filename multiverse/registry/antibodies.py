"""Features among antibodies that are no proteins of the cell: hashtags and isotype controls."""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterable

#: Antibodies or lipids that mark the sample of a cell: cell hashing, MULTI-seq, CellPlex.
_HASHTAG = re.compile(
    r"(?:^|[^a-z])(?:hto|hashtags?|hash[ _.-]?tag|cmo|multi[ _.-]?seq)(?:[^a-z]|$)|hashtag",
    re.IGNORECASE,
)
#: Antibodies that bind nothing. An IgG with a subclass is one where an animal, a clone or a
#: control is named (mouse IgG1); IgD, IgM, IgE and IgG Fc are targets.
_ISOTYPE = re.compile(
    r"isotype|(?:^|[^a-z])iso(?:[^a-z]|$)"
    r"|(?:mouse|rat|rag|hamster|rabbit|goat|\bms|\bm|\br)[ _.-]*igg?[gma]?[ _.-]?\d?[abc]?"
    r"(?:[ _.-]?(?:kappa|k|κ|lambda|l|λ))?(?:[ _.-]?(?:control|ctrl|iso\w*|tot\w*|trdt?\w*))?$"
    r"|^(?:adt[ _.-]?)?igg[ _.-]?[1-4][abc]?(?:[ _.-]?(?:kappa|k|κ|lambda|l|λ))?"
    r"(?:[ _.-]?(?:control|ctrl|tot\w*|trdt?\w*))?$"
    r"|igg?[gma]?\d?[abc]?.*(?:control|ctrl)",
    re.IGNORECASE,
)
_KINDS = (
    ("hashtags, which mark samples", _HASHTAG),
    ("isotype controls, which bind nothing of the cell", _ISOTYPE),
)


def non_proteins(names: Iterable[str]) -> dict[str, list[str]]:
    """Return kind → the names that look like it, in order; no kind without names."""
    every = list(map(str, names))
    found = {kind: [name for name in every if pattern.search(name)] for kind, pattern in _KINDS}
    return {kind: those for kind, those in found.items() if those}


def antibody_notes(modality: str, names: Iterable[str]) -> list[str]:
    """Return a note for each kind of feature that models would take for a protein."""
    if modality != "adt":
        return []
    notes = []
    for kind, those in non_proteins(names).items():
        words = " ".join(f"--exclude {shlex.quote(f'adt={glob.escape(one)}')}" for one in those)
        notes.append(
            f"adt: {len(those):,} features look like {kind}, and models take them for proteins: "
            f"leave them out with {words}"
        )
    return notes
