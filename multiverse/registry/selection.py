"""What the user takes of a layout: which modalities, which layer of each, which features."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.layout import MATRICES, Candidate, Candidates, Layout, SourceModality
from multiverse.registry.modalities import known_modality
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.names import first_of
from multiverse.specs.yaml_file import suggestion

T = TypeVar("T")
#: Features that a note names.
MOST_NAMES = 5


def select(layout: Layout, options: RegistrationOptions) -> Layout:
    """Return the layout without what is to be left out, each modality with the layer to read.

    Raises :class:`DatasetError` for a modality, a layer or a feature that is not there, and where
    nothing is left.
    """
    chosen = _without(layout, options.without)
    for part in chosen.parts:
        _check_size(part, alone=len(chosen.parts) == 1)
    layers = _layers(chosen.parts, options)
    excluded = _by_modality(chosen.parts, options.exclude, "--exclude", options.without)
    parts = []
    for part in chosen.parts:
        named = replace(part, layer=layers.get(part.modality))
        if patterns := excluded.get(part.modality):
            named = _excluding(named, patterns, chosen.parts)
        parts.append(named)
    notes = tuple(_useless_names(layout, options.modality_names))
    return replace(chosen, parts=tuple(parts), notes=(*chosen.notes, *notes))


def _check_size(part: SourceModality, *, alone: bool) -> None:
    for things, number in (("cells", len(part.obs)), ("features", part.n_vars)):
        if not number:
            raise DatasetError(
                f"{part.modality} has no {things}",
                remedy="Choose another file: this one holds nothing to run on."
                if alone
                else f"Leave it out: --without {part.modality}",
            )


def _without(layout: Layout, names: Sequence[str]) -> Layout:
    """Return the layout without some modalities and the cells that only they have."""
    notes, dropped = [], []
    for name in dict.fromkeys(names):
        found = [part for part in layout.parts if name in (part.modality, part.old_name)]
        if found:
            dropped += found
        elif name in layout.left_out:
            notes.append(f"without {name!r} has no effect: no model knows it, so it is left out")
        else:
            known = [part.modality for part in layout.parts]
            raise DatasetError(
                f"There is no modality {name!r} that could be left out{suggestion(name, known)}",
                remedy=f"The modalities are: {', '.join(known)}",
            )
    kept = tuple(part for part in layout.parts if not any(part is other for other in dropped))
    if not kept:
        raise DatasetError(
            f"Without {' and '.join(part.modality for part in dropped)} no modality is left",
            remedy="Name fewer with --without.",
        )
    if not dropped:
        return replace(layout, notes=(*layout.notes, *notes))
    notes += [f"left out, as asked: {part.modality} ({part.n_vars:,} features)" for part in dropped]
    obs = layout.obs
    only = _in_any(obs.index, dropped) & ~_in_any(obs.index, kept)
    if only.any():
        names_of_dropped = " and ".join(part.modality for part in dropped)
        notes.append(f"{int(only.sum()):,} cells were left out that only {names_of_dropped} has")
        obs = obs[~only]
    return replace(layout, obs=obs, parts=kept, notes=(*layout.notes, *notes))


def _in_any(cells: pd.Index, parts: Sequence[SourceModality]) -> np.ndarray:
    """Return which of the cells any of the modalities has, boolean of shape (n_cells,)."""
    found = np.zeros(len(cells), dtype=bool)
    for part in parts:
        found |= cells.isin(part.obs.index)
    return found


def _useless_names(layout: Layout, chosen: Mapping[str, str]) -> Iterator[str]:
    """Yield what is to be said of names that were given to what is called so already."""
    rivals = {known_modality(name) for name in layout.left_out}
    for old, new in chosen.items():
        if old == new and new not in rivals:
            yield f"modality {old}={new} has no effect: it is called {new} already"


def _by_modality(
    parts: Sequence[SourceModality],
    given: Mapping[str, T],
    option: str,
    without: Sequence[str] = (),
) -> dict[str, T]:
    """Return what was said of each modality, which may be called as models or as the source do."""
    found: dict[str, T] = {}
    for name, value in given.items():
        named = [part for part in parts if part.modality == name] or [
            part for part in parts if part.old_name == name
        ]
        known = [part.modality for part in parts]
        if not named:
            if name in without:
                raise DatasetError(
                    f"{option} speaks of {name}, which --without leaves out",
                    remedy=f"Give one of the two only, {option} or --without.",
                )
            raise DatasetError(
                f"{option}: there is no modality {name!r}{suggestion(name, known)}",
                remedy=f"The modalities are: {', '.join(known)}",
            )
        if named[0].modality in found:
            raise DatasetError(
                f"{option} speaks twice of {named[0].modality}",
                remedy=f"Name it once: {option} {named[0].modality}=…",
            )
        found[named[0].modality] = value
    return found


def _layers(parts: Sequence[SourceModality], options: RegistrationOptions) -> dict[str, str]:
    """Return modality → the layer that the user named for it."""
    layer = options.layer
    if layer is None:
        return {}
    if isinstance(layer, str):
        found = {part.modality: layer for part in parts if _has(part, layer)}
        if not found:
            names = sorted({name for part in parts for name in part.layers})
            raise DatasetError(
                f"There is no layer {layer!r}{suggestion(layer, names)}",
                remedy=f"The layers are: {_listed(parts)}",
            )
        return found
    chosen = _by_modality(parts, layer, "--layer", options.without)
    for part in parts:
        name = chosen.get(part.modality)
        if name is not None and not _has(part, name):
            raise DatasetError(
                f"There is no layer {name!r} in {part.modality}{suggestion(name, part.layers)}",
                remedy=f"The layers are: {_listed(parts)}",
            )
    return chosen


def _has(part: SourceModality, layer: str) -> bool:
    """Return whether a modality has a layer, or a matrix that is named as one is."""
    if layer in part.layers:
        return True
    named = layer in MATRICES or layer.startswith("obsm[")
    return named and any(one.name == layer for one in part.candidates(layer))


def _listed(parts: Sequence[SourceModality]) -> str:
    """Return the layers of each modality in words, and the matrices that can be named besides."""
    said = []
    for part in parts:
        found = [one.name for one in part.candidates(None) if not one.name.startswith("layers[")]
        besides = f" ({' and '.join(found)} can be named too)" if found else ""
        said.append(f"{', '.join(part.layers) or 'none at all'}, in {part.modality}{besides}")
    return "; ".join(said)


@dataclass(frozen=True)
class _Patterns:
    """Patterns of feature names: a name itself is one, whatever characters it holds."""

    given: Sequence[str]

    def found(self, pattern: str, names: pd.Index, *, any_case: bool = False) -> np.ndarray:
        """Return which names match one pattern, boolean of shape (n_names,)."""
        flags = re.IGNORECASE if any_case else 0
        matches = re.compile(fnmatch.translate(pattern), flags).match
        return np.array([name == pattern or matches(name) is not None for name in names], bool)

    def any(self, names: pd.Index) -> np.ndarray:
        """Return which names match any of them, boolean of shape (n_names,)."""
        found = [self.found(pattern, names) for pattern in self.given]
        return np.asarray(np.any(found, axis=0))


def _excluding(
    part: SourceModality, given: Sequence[str], parts: Sequence[SourceModality]
) -> SourceModality:
    """Return the modality without the features that match a pattern."""
    patterns = _Patterns(given)
    places = [candidate.features for candidate in part.candidates(part.layer)]
    for pattern in given:
        if places and not any(patterns.found(pattern, names).any() for names in places):
            raise _no_feature(part, pattern, places, parts)
    if places and all(patterns.any(names).all() for names in places):
        raise DatasetError(
            f"--exclude leaves no feature in {part.modality}",
            remedy="Name fewer features with --exclude."
            if len(parts) == 1
            else f"Leave the modality out instead: --without {part.modality}",
        )
    return replace(part, candidates=_Excluding(part.modality, part.candidates, patterns))


@dataclass(frozen=True)
class _Excluding:
    """Candidates (:data:`~multiverse.registry.layout.Candidates`) without some features."""

    modality: str
    candidates: Candidates
    patterns: _Patterns

    def __call__(self, layer: str | None) -> Iterator[Candidate]:
        """Yield them without the features, each with a note that says how many these are."""
        for candidate in self.candidates(layer):
            names = candidate.features
            out = self.patterns.any(names)
            columns = candidate.columns
            kept = np.flatnonzero(~out) if columns is None else columns[~out]
            note = f"{self.modality}: {int(out.sum()):,} features were left out, as asked"
            if out.any():
                note += f": {_shortened(names[out])}"
            yield replace(candidate, columns=kept, notes=(*candidate.notes, note))


def _no_feature(
    part: SourceModality,
    pattern: str,
    places: Sequence[pd.Index],
    parts: Sequence[SourceModality],
) -> DatasetError:
    """Return the error for a pattern that no feature matches, with the features that are near."""
    patterns = _Patterns([pattern])
    message = f"No feature of {part.modality} matches {pattern!r}"
    for names in places:
        near = names[patterns.found(pattern, names, any_case=True)]
        if len(near):
            return DatasetError(
                f"{message}, but for upper and lower case: {_shortened(near)}",
                remedy="Write it as the features are written.",
            )
    for other in parts:
        for candidate in () if other is part else other.candidates(None):
            found = patterns.found(pattern, candidate.features).sum()
            if found:
                return DatasetError(
                    f"{message}; {found:,} features of {other.modality} do",
                    remedy=f"Name that modality: --exclude '{other.modality}={pattern}'",
                )
    core = re.sub(r"[*?\[\]]", "", pattern)
    return DatasetError(
        f"{message}{suggestion(core, places[0])}",
        remedy=f"The features are: {_shortened(places[0])}",
    )


def _shortened(names: pd.Index) -> str:
    return first_of([f"{name!s:.60}" for name in names], MOST_NAMES)
