"""The layout of a source file: its modalities and their matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.frames import as_text, read_frame
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.modalities import Mapped, known_modality, map_modalities
from multiverse.registry.options import RegistrationOptions

FEATURE_TYPES = "feature_types"
#: How an ``.h5ad`` as a whole is called in ``modality_names``.
WHOLE = "X"


@dataclass(frozen=True)
class SourceModality:
    """One modality as it lies in the source.

    ``feature_type`` is set where several modalities share one matrix: the part has only the
    features of that type.
    """

    modality: str
    old_name: str
    group: h5py.Group
    obs: pd.DataFrame
    var: pd.DataFrame
    feature_type: str | None = None

    def columns(self, var: pd.DataFrame) -> np.ndarray | None:
        """Return the features of a table that belong to the modality; None means all."""
        if self.feature_type is None:
            return None
        if FEATURE_TYPES not in var:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(as_text(var[FEATURE_TYPES], "") == self.feature_type)


@dataclass(frozen=True)
class Layout:
    """The source's own table of cells, and its modalities in the canonical order."""

    obs: pd.DataFrame
    parts: tuple[SourceModality, ...]
    notes: tuple[str, ...]

    @property
    def is_multimodal(self) -> bool:
        """True if modalities have tables of their own."""
        return any(part.obs is not self.obs for part in self.parts)


@dataclass(frozen=True)
class Candidate:
    """A matrix that may hold the raw counts of a part."""

    name: str
    node: h5py.Group | h5py.Dataset
    var: pd.DataFrame
    columns: np.ndarray | None


def read_layout(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read all tables (not the matrices). Raises :class:`DatasetError`."""
    if source.child(source.file, "mod") is not None:
        layout = _read_mudata(source, options)
    elif source.child(source.file, "var") is not None:
        layout = _read_anndata(source, options)
    else:
        raise DatasetError(
            f"{source.path} is an HDF5 file, but neither AnnData nor MuData",
            remedy="A 10x Genomics .h5 file is read by scanpy.read_10x_h5, which can write .h5ad.",
        )
    for part in layout.parts:
        columns = part.columns(part.var)
        for things, number in (
            ("cells", len(part.obs)),
            ("features", len(part.var) if columns is None else len(columns)),
        ):
            if not number:
                raise DatasetError(f"{source.path} has no {things} in {part.modality}")
    return layout


def _read_mudata(source: Hdf5, options: RegistrationOptions) -> Layout:
    if source.attribute(source.file, "axis") not in (None, 0):
        raise DatasetError(
            f"{source.path} joins its modalities by features, not by cells",
            remedy="Register a file whose modalities share their cells (axis 0).",
        )
    modalities = source.group(source.file, "mod")
    if modalities is None:
        raise source.error("/mod is not a group")
    mapped = map_modalities(source.names(modalities), options.modality_names, "modality")
    parts = []
    for name in mapped:
        group = source.group(modalities, mapped.old_names[name])
        if group is None:
            raise source.error(f"/mod/{mapped.old_names[name]} is not a modality")
        obs, var = read_frame(source, group, "obs"), read_frame(source, group, "var")
        parts.append(SourceModality(name, mapped.old_names[name], group, obs, var))
    shared = read_frame(source, source.file, "obs")
    return Layout(shared, tuple(parts), _left_out(mapped))


def _read_anndata(source: Hdf5, options: RegistrationOptions) -> Layout:
    obs, var = read_frame(source, source.file, "obs"), read_frame(source, source.file, "var")
    types = as_text(var[FEATURE_TYPES], "") if FEATURE_TYPES in var else pd.Series(dtype=object)
    chosen = dict(options.modality_names)
    known = [kind for kind in types.unique() if kind in chosen or known_modality(kind)]
    if WHOLE in chosen or not (known or chosen):
        whole = SourceModality(chosen.pop(WHOLE, "rna"), WHOLE, source.file, obs, var)
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
        SourceModality(
            name,
            mapped.old_names[name],
            source.file,
            obs,
            var,
            mapped.old_names[name] if split else None,
        )
        for name in mapped
    )
    return Layout(obs, tuple(parts), _left_out(mapped))


def _left_out(mapped: Mapped) -> tuple[str, ...]:
    if not mapped.left_out:
        return ()
    names = ", ".join(map(repr, mapped.left_out))
    return (f"left out, as no model knows it: {names}",)


def _guessed(types: pd.Series) -> tuple[str, ...]:
    named = f" (feature types: {', '.join(map(repr, types.unique()[:5]))})" if len(types) else ""
    return (f"the file does not name its modality{named}; it was taken as rna",)


def candidates(source: Hdf5, part: SourceModality, layer: str | None) -> Iterator[Candidate]:
    """Yield the places where raw counts may be, best first; only ``layer`` where it exists."""
    own = part.columns(part.var)
    layers = source.group(part.group, "layers")
    names = [] if layers is None else source.names(layers)
    if layers is not None and layer is not None and layer in names:
        yield Candidate(f"layers[{layer!r}]", _must(source, layers, layer), part.var, own)
        return
    if (matrix := source.child(part.group, "X")) is not None:
        yield Candidate("X", matrix, part.var, own)
    if layers is not None and "counts" in names:
        yield Candidate("layers['counts']", _must(source, layers, "counts"), part.var, own)
    raw = source.group(part.group, "raw")
    if raw is not None and (matrix := source.child(raw, "X")) is not None:
        var = read_frame(source, raw, "var")
        columns = part.columns(var)
        if columns is None or len(columns):
            yield Candidate("raw", matrix, var, columns)


def layer_names(source: Hdf5, part: SourceModality) -> list[str]:
    """Return the names of the part's layers."""
    layers = source.group(part.group, "layers")
    return [] if layers is None else sorted(source.names(layers))


def _must(source: Hdf5, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    found = source.child(group, name)
    if found is None:
        raise source.error(f"{group.name}/{name} is missing")
    return found
