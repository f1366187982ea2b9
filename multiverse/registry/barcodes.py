"""Cells that two modalities name differently: with another suffix, prefix, separator or case.

Nothing is joined here unless it is asked for: what is recognised is shown, and the user decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd
from pandas.util import hash_array

from multiverse.errors import DatasetError
from multiverse.registry.layout import Layout, SourceModality
from multiverse.registry.modalities import MODALITY_WORDS

#: Barcodes of the same kit agree by chance in fewer names than that, as a share of the fewer cells.
LEAST_SHARE = 0.1
#: Names that are taken apart at a time.
_CHUNK = 100_000
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_BARCODE = re.compile(r"[acgtn]{8,}")


@dataclass(frozen=True)
class Spelling:
    """The cells of ``modality`` under the names that ``reference`` has for them.

    ``names`` are those of the reference where they agree and the own ones elsewhere, (n_cells,).
    ``agree`` of them are the reference's, ``exact`` were before; ``example`` is a name of the
    reference and the modality's own one of the same cell.
    """

    modality: str
    reference: str
    names: pd.Index
    n_reference: int
    exact: int
    agree: int
    example: tuple[str, str]

    def __str__(self) -> str:
        """Say it in words."""
        theirs, own = self.example
        return (
            f"{self.agree:,} names of {self.reference} and {self.modality} agree but for the way "
            f"they are written, such as {theirs!r:.80} in {self.reference} and {own!r:.80} in "
            f"{self.modality} (of {self.n_reference:,} and {len(self.names):,} cells)"
        )


@dataclass(frozen=True)
class Ambiguity:
    """A name that would stand for several cells of a modality if it were written shorter."""

    modality: str
    cells: tuple[str, str]

    def __str__(self) -> str:
        """Say it in words."""
        one, other = self.cells
        return f"{one!r:.80} and {other!r:.80}, two cells of {self.modality}, would be one"


def recognise(
    names: Mapping[str, pd.Index],
) -> tuple[dict[str, Spelling], tuple[Ambiguity, ...]]:
    """Find modalities that name the cells of an earlier one differently.

    ``names``: modality → unique names of its cells. Returns modality → spelling for those in which
    more names agree than before, none of which could stand for two cells, and what stood against
    others.
    """
    found: dict[str, Spelling] = {}
    ambiguous: list[Ambiguity] = []
    spelled = {name: _Written(name, cells) for name, cells in names.items()}
    for place, (name, written) in enumerate(spelled.items()):
        best: Spelling | None = None
        for reference in list(names)[:place]:
            earlier = found.get(reference)
            known = earlier.names if earlier else names[reference]
            spelling = _compare(
                _Written(reference, known) if earlier else spelled[reference], written, ambiguous
            )
            if spelling is not None and (best is None or spelling.agree > best.agree):
                best = spelling
        if best is not None:
            found[name] = best
    return found, tuple(ambiguous)


def match_barcodes(layout: Layout) -> Layout:
    """Return the layout with the names of cells that agree but for the way they are written.

    Raises :class:`DatasetError` where none is recognised, or one would stand for several cells.
    """
    names = {part.modality: part.obs.index for part in layout.parts}
    if all(cells.symmetric_difference(layout.obs.index).empty for cells in names.values()):
        note = "match_barcodes has no effect: all modalities name the same cells in the same way"
        return replace(layout, notes=(*layout.notes, note))
    found, ambiguous = recognise(names)
    if not found:
        shown = ", ".join(f"{cells[0]!r:.80} in {name}" for name, cells in names.items())
        why = f"; {ambiguous[0]}" if ambiguous else ""
        raise DatasetError(
            f"The names of the cells can't be matched: they are {shown}{why}",
            remedy="Name the cells in the same way in every modality; "
            "each name must stand for one cell."
            if ambiguous
            else "Without --match-barcodes only equal names are joined.",
        )
    parts = tuple(_renamed(part, found.get(part.modality)) for part in layout.parts)
    obs, differing = _joined_rows(layout, parts)
    notes = [f"matched: {spelling}" for spelling in found.values()]
    if differing:
        notes.append(
            f"of cells with two names, the values of the first modality's were kept in the columns "
            f"{', '.join(f'{column:.60}' for column in differing)} of obs, where they differ"
        )
    return replace(layout, obs=obs, parts=parts, notes=(*layout.notes, *notes))


def _renamed(part: SourceModality, spelling: Spelling | None) -> SourceModality:
    return part if spelling is None else replace(part, obs=part.obs.set_axis(spelling.names))


def _joined_rows(
    layout: Layout, parts: tuple[SourceModality, ...]
) -> tuple[pd.DataFrame, list[str]]:
    """Return ``obs`` with one row for each cell, and the columns in which two rows differed."""
    obs = layout.obs
    still = np.logical_or.reduce([obs.index.isin(part.obs.index) for part in parts])
    ever = np.logical_or.reduce([obs.index.isin(part.obs.index) for part in layout.parts])
    joined = obs[still | ~ever].copy()
    differing: list[str] = []
    for old, new in zip(layout.parts, parts, strict=True):
        changed = old.obs.index != new.obs.index
        theirs, own = new.obs.index[changed], old.obs.index[changed]
        both = theirs.isin(joined.index) & own.isin(obs.index)
        theirs, own = theirs[both], own[both]
        for column in joined:
            values = obs[column].reindex(own).set_axis(theirs)
            there = joined.loc[theirs, column]
            if (there.notna() & values.notna() & (there != values)).any():
                differing.append(str(column))
            joined.loc[theirs, column] = there.where(there.notna(), values)
    return joined, list(dict.fromkeys(differing))


@dataclass(frozen=True)
class _Written:
    """The names of the cells of a modality, and shorter ways to write them."""

    modality: str
    names: pd.Index

    @cached_property
    def ways(self) -> tuple[pd.Index, ...]:
        """Four ways to write the names, each as hashes of shape (n_cells,).

        Without separators, case and words for a modality; then also without what follows the
        barcode, without what precedes it, and without both. Where a name holds no barcode, a first
        or last word that all names have counts as such.
        """
        first, last = self._ends()
        hashes = np.empty((4, len(self.names)), dtype=np.uint64)
        for start in range(0, len(self.names), _CHUNK):
            chunk = self.names[start : start + _CHUNK]
            parted = [_parted(_words(name), first, last) for name in chunk]
            ways = (
                [before + core + after for before, core, after in parted],
                [before + core for before, core, _ in parted],
                [core + after for _, core, after in parted],
                [core for _, core, _ in parted],
            )
            for way, found in enumerate(ways):
                texts = np.array(["_".join(words) for words in found], dtype=object)
                hashes[way, start : start + _CHUNK] = hash_array(texts, categorize=False)
        return tuple(map(pd.Index, hashes))

    def _ends(self) -> tuple[str | None, str | None]:
        """Return the first and the last word, each None where names differ in it."""
        first, last = set(), set()
        for name in self.names:
            words = _words(name) or [""]
            first.add(words[0])
            last.add(words[-1])
            if len(first) > 1 and len(last) > 1:
                return None, None
        return (*first,)[0] if len(first) == 1 else None, (*last,)[0] if len(last) == 1 else None


def _words(name: str) -> list[str]:
    words = [word for word in _SEPARATORS.split(name.lower()) if word]
    return [word for word in words if word not in MODALITY_WORDS] or words


def _parted(
    words: list[str], first: str | None, last: str | None
) -> tuple[list[str], list[str], list[str]]:
    """Return what precedes the barcode, the barcode, and what follows it."""
    places = [place for place, word in enumerate(words) if _BARCODE.fullmatch(word)]
    start, stop = (places[0], places[-1] + 1) if places else (0, len(words))
    if not places:
        start += first is not None and len(words) > 1
        stop -= last is not None and stop - start > 1
    return words[:start], words[start:stop], words[stop:]


def _compare(reference: _Written, other: _Written, ambiguous: list[Ambiguity]) -> Spelling | None:
    """Return the spelling in which most names of both agree; of equal ones the longest."""
    exact = int(other.names.isin(reference.names).sum())
    fewer = min(len(reference.names), len(other.names))
    least = max(exact, int(LEAST_SHARE * fewer))
    if exact == fewer:
        return None
    best: tuple[int, np.ndarray] | None = None
    for one, two in sorted(product(range(4), range(4)), key=sum):  # the longest names first
        theirs, own = reference.ways[one], other.ways[two]
        agree = int(own.isin(theirs).sum())
        if agree <= max(least, best[0] if best else 0):
            continue
        twice = next(_repeated(reference, theirs), None) or next(_repeated(other, own), None)
        if twice is not None:
            ambiguous.append(twice)
            continue
        places = theirs.get_indexer(own)
        if _contradicts(reference.names, other.names, places):
            continue
        best = agree, places
    if best is None:
        return None
    agree, places = best
    names = other.names.to_numpy(copy=True)
    matched = places >= 0
    names[matched] = reference.names.to_numpy()[places[matched]]
    renamed = pd.Index(names, dtype=object)
    changed = int(np.flatnonzero(renamed != other.names)[0])
    return Spelling(
        modality=other.modality,
        reference=reference.modality,
        names=renamed,
        n_reference=len(reference.names),
        exact=exact,
        agree=agree,
        example=(str(renamed[changed]), str(other.names[changed])),
    )


def _repeated(written: _Written, names: pd.Index) -> Iterator[Ambiguity]:
    """Yield two cells that would have one name."""
    for name in names[names.duplicated()][:1]:
        cells = written.names[names == name]
        yield Ambiguity(written.modality, (str(cells[0]), str(cells[1])))


def _contradicts(reference: pd.Index, other: pd.Index, places: np.ndarray) -> bool:
    """Return whether a cell that both name in the same way would get another one's name.

    ``places``: for each name of the other, the place in the reference that it would be joined to.
    """
    exact = reference.get_indexer(other)
    if ((exact >= 0) & (exact != places)).any():
        return True
    # A name that stays as it is must not be the new name of another cell.
    return bool(other[places < 0].isin(reference[places[places >= 0]]).any())
