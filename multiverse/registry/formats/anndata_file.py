"""AnnData files (``.h5ad``), whose features may be of several kinds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import h5py
import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.frames import as_text, read_frame
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import Candidate, Layout, SourceModality
from multiverse.registry.matrix import open_matrix
from multiverse.registry.modalities import known_modality, map_modalities
from multiverse.registry.options import RegistrationOptions

FEATURE_TYPES = "feature_types"
#: How an ``.h5ad`` as a whole is called in ``modality_names``.
WHOLE = "X"


def read_anndata(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read the tables of an AnnData file. Raises :class:`DatasetError`."""
    obs, var = read_frame(source, source.file, "obs"), read_frame(source, source.file, "var")
    types = as_text(var[FEATURE_TYPES], "") if FEATURE_TYPES in var else pd.Series(dtype=object)
    chosen = dict(options.modality_names)
    known = [kind for kind in types.unique() if kind in chosen or known_modality(kind)]
    if WHOLE in chosen or not (known or chosen):
        whole = _modality(source, source.file, chosen.pop(WHOLE, "rna"), WHOLE, obs, var)
        if chosen:
            raise DatasetError(
                f"{WHOLE!r} names the file as a whole; {', '.join(map(repr, chosen))} can't be "
                "named besides"
            )
        return Layout(obs, (whole,), _guessed(types) if not options.modality_names else ())
    names = [*types.unique()] or [WHOLE]
    mapped = map_modalities(names, chosen, "feature type")
    split = len(names) > 1
    parts = (
        _modality(source, source.file, name, old, obs, var, old if split else None)
        for name, old in ((name, mapped.old_names[name]) for name in mapped)
    )
    return Layout(obs, tuple(parts), mapped.notes)


def modality_of_group(
    source: Hdf5, group: h5py.Group, modality: str, old_name: str
) -> SourceModality:
    """Return the modality of a group that is laid out as an AnnData file."""
    obs, var = read_frame(source, group, "obs"), read_frame(source, group, "var")
    return _modality(source, group, modality, old_name, obs, var)


def _modality(
    source: Hdf5,
    group: h5py.Group,
    modality: str,
    old_name: str,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    kind: str | None = None,
) -> SourceModality:
    """Return a modality of a group: all of its features, or those of one ``kind``."""
    columns = _of_kind(var, kind)
    layers = source.group(group, "layers")
    return SourceModality(
        modality=modality,
        old_name=old_name,
        obs=obs,
        n_vars=len(var) if columns is None else len(columns),
        layers=() if layers is None else tuple(sorted(source.names(layers))),
        candidates=partial(_candidates, source, group, len(obs), var, kind),
    )


def _of_kind(var: pd.DataFrame, kind: str | None) -> np.ndarray | None:
    """Return the positions of the features of one kind; None means all."""
    if kind is None:
        return None
    if FEATURE_TYPES not in var:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(as_text(var[FEATURE_TYPES], "") == kind)


def _candidates(
    source: Hdf5,
    group: h5py.Group,
    n_obs: int,
    var: pd.DataFrame,
    kind: str | None,
    layer: str | None,
) -> Iterator[Candidate]:
    """Yield the places where raw counts may be, best first; only ``layer`` where it exists."""

    def candidate(
        name: str, node: h5py.Group | h5py.Dataset, table: pd.DataFrame = var
    ) -> Candidate:
        opened = partial(open_matrix, source, node, (n_obs, len(table)))
        return Candidate(name, table, _of_kind(table, kind), opened)

    layers = source.group(group, "layers")
    names = [] if layers is None else source.names(layers)
    raw = source.group(group, "raw")
    has_raw = raw is not None and source.child(raw, "X") is not None
    if layers is not None and layer is not None and layer in names:
        yield candidate(f"layers[{layer!r}]", _must(source, layers, layer))
        return
    matrix = source.child(group, "X")
    named = {"X": matrix is not None, "raw": has_raw}.get(layer or "", False)
    if matrix is not None and not (named and layer != "X"):
        yield candidate("X", matrix)
    if layers is not None and "counts" in names and not named:
        yield candidate("layers['counts']", _must(source, layers, "counts"))
    if raw is not None and has_raw and not (named and layer != "raw"):
        found = candidate("raw", _must(source, raw, "X"), read_frame(source, raw, "var"))
        if found.columns is None or len(found.columns):
            yield found


def _guessed(types: pd.Series) -> tuple[str, ...]:
    named = f" (feature types: {', '.join(map(repr, types.unique()[:5]))})" if len(types) else ""
    return (f"the file does not name its modality{named}; it was taken as rna",)


def _must(source: Hdf5, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    found = source.child(group, name)
    if found is None:
        raise source.error(f"{group.name}/{name} is missing")
    return found
