"""AnnData files (``.h5ad``), whose features may be of several kinds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from shlex import quote

import h5py
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.as_text import as_text
from multiverse.registry.formats.feature_names import check_feature_names
from multiverse.registry.formats.kinds import FeatureKinds, KindFilter, find_kinds
from multiverse.registry.formats.proteins import CellTable, note_unused, read_tables
from multiverse.registry.frames import read_frame
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import WHOLE, Candidate, Layout, SourceModality
from multiverse.registry.matrix import open_matrix
from multiverse.registry.modalities import known_modality, map_modalities
from multiverse.registry.options import RegistrationOptions


def read_anndata(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read the tables of an AnnData file. Raises :class:`DatasetError`.

    Features are split by the column of ``var`` that tells their kinds; proteins in ``obsm`` are a
    modality of their own.
    """
    obs, var = read_frame(source, source.file, "obs"), read_frame(source, source.file, "var")
    tables = {table.old_name: table for table in read_tables(source, source.file, obs)}
    chosen = dict(options.modality_names)
    of_tables = {old: chosen.pop(old) for old in [*chosen] if old in tables}
    kinds, of_features, notes = _features(source, var, chosen)
    names = kinds.names if kinds is not None and WHOLE not in of_features else [WHOLE]
    mapped = map_modalities(
        [*names, *(old for old, table in tables.items() if old in of_tables or _is_used(table))],
        {**of_features, **of_tables},
        "feature type",
        known=lambda old: "adt" if old in tables else known_modality(old),
        sizes=kinds.sizes if kinds is not None and WHOLE not in of_features else {},
    )
    parts = []
    for modality, old in ((modality, mapped.old_names[modality]) for modality in mapped):
        if old in tables:
            parts.append(_counted(tables[old]).modality(modality, obs))
            notes.append(f"{modality}: taken from obsm[{tables[old].name!r}]")
            continue
        only = None if kinds is None or old == WHOLE else KindFilter(kinds.column, frozenset([old]))
        parts.append(_modality(source, source.file, modality, old, obs, var, only))
        if only is not None:
            notes += _only_in_raw(source, source.file, only, kinds)
    if kinds is not None and WHOLE not in of_features:
        notes += kinds.left_out(tuple(old for old in mapped.left_out if old not in tables))
    notes += [
        _note_left_out(table, mapped.left_out)
        for old, table in tables.items()
        if old not in mapped.old_names.values()
    ]
    return Layout(obs, tuple(parts), tuple(notes), left_out=mapped.left_out)


def _features(
    source: Hdf5, var: pd.DataFrame, chosen: dict[str, str]
) -> tuple[FeatureKinds | None, dict[str, str], list[str]]:
    """Return the kinds of the features, what was chosen for them, and notes.

    Where nothing tells the kinds, the file as a whole is taken as RNA, if the names of its
    features do not speak against it.
    """
    if WHOLE in chosen:
        others = ", ".join(repr(old) for old in chosen if old != WHOLE)
        if others:
            raise DatasetError(
                f"{WHOLE!r} names the file as a whole; {others} can't be named besides"
            )
        return None, chosen, []
    kinds, plain = find_kinds(var, chosen)
    if kinds is None and not chosen:
        check_feature_names(var.index, source.path)
        return None, {WHOLE: "rna"}, ["the file does not name its modality; it was taken as rna"]
    if kinds is None:
        return None, plain, []
    usual = kinds.column == "feature_types"
    return (
        kinds,
        plain,
        [] if usual else [f"kinds of features were taken from var[{kinds.column!r}]"],
    )


def _is_used(table: CellTable) -> bool:
    return table.is_protein and table.problem is None


def _counted(table: CellTable) -> CellTable:
    if table.problem is not None:
        raise DatasetError(table.left_out(table.problem))
    return table


def _note_left_out(table: CellTable, left_out: tuple[str, ...]) -> str:
    if table.old_name in left_out:
        option = quote(f"{table.old_name}=adt")
        return table.left_out(f"another modality is adt; to use it: --modality {option}")
    return note_unused(table)


def modalities_of_group(
    source: Hdf5,
    group: h5py.Group,
    modality: str,
    old_name: str,
    *,
    chosen: bool,
    taken: Collection[str],
) -> tuple[list[SourceModality], list[str]]:
    """Return the modalities of a group that is laid out as an AnnData file, and notes.

    The first is the one that the group is named for. Further ones are kinds of features, and
    proteins in ``obsm``, of modalities that are not ``taken``. ``chosen``: whether the user said
    what the group is; then nothing that its ``var`` says speaks against it.

    Raises :class:`DatasetError` where the kinds of its features are all of another modality.
    """
    obs, var = read_frame(source, group, "obs"), read_frame(source, group, "var")
    kinds = None if chosen else find_kinds(var, {})[0]
    parts = [_modality(source, group, modality, old_name, obs, var)]
    notes: list[str] = []
    if kinds is not None:
        parts, notes = _of_kinds(source, group, parts[0], var, kinds, taken)
    there = {*taken, *(part.modality for part in parts)}
    for table in read_tables(source, group, obs):
        if _is_used(table) and "adt" not in there:
            there.add("adt")
            parts.append(replace(table.modality("adt", obs), old_name=old_name))
            notes.append(f"adt: taken from obsm[{table.name!r}] of {old_name}")
        else:
            said = "another modality is adt" if _is_used(table) else table.problem
            notes.append(f"{old_name}: {table.left_out(said or 'its name is not one of proteins')}")
    return parts, notes


def _of_kinds(
    source: Hdf5,
    group: h5py.Group,
    whole: SourceModality,
    var: pd.DataFrame,
    kinds: FeatureKinds,
    taken: Collection[str],
) -> tuple[list[SourceModality], list[str]]:
    """Split a group whose features are of several kinds; it is named for one of them."""
    modality, old_name = whole.modality, whole.old_name
    found: dict[str, list[str]] = {}
    for name in kinds.names:
        found.setdefault(known_modality(name) or "", []).append(name)
    unknown = found.pop("", [])
    if modality not in found:
        other, (example, *_) = next(iter(found.items()))
        options = [f"--modality {quote(f'{old_name}={new}')}" for new in (other, modality)]
        raise DatasetError(
            f"{source.path}: the modality {old_name!r} is named as {modality}, but its features "
            f"are {example!r} in var[{kinds.column!r}]",
            remedy=f"Say what it is: {' or '.join(options)}",
        )
    parts, notes = [], [f"{old_name}: {note}" for note in kinds.left_out(unknown)]
    for known in sorted(found, key=lambda name: name != modality):
        only = KindFilter(kinds.column, frozenset(found[known]))
        part = _modality(source, group, known, old_name, whole.obs, var, only)
        said = ", ".join(map(repr, found[known]))
        if known == modality or known not in taken:
            parts.append(part)
        if known != modality:
            where = "left out, as another modality is" if known in taken else "taken as"
            notes.append(f"{old_name}: {part.n_vars:,} features of {said} {where} {known}")
    return parts, notes


def _modality(
    source: Hdf5,
    group: h5py.Group,
    modality: str,
    old_name: str,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    only: KindFilter | None = None,
) -> SourceModality:
    """Return a modality of a group: all of its features, or those of some kinds."""
    columns = None if only is None else only.positions(var)
    layers = source.group(group, "layers")
    return SourceModality(
        modality=modality,
        old_name=old_name,
        obs=obs,
        n_vars=len(var) if columns is None else len(columns),
        layers=() if layers is None else tuple(sorted(source.names(layers))),
        candidates=partial(_candidates, source, group, len(obs), var, only),
    )


def _only_in_raw(
    source: Hdf5, group: h5py.Group, only: KindFilter, kinds: FeatureKinds | None
) -> list[str]:
    """Return a note for modalities that ``raw`` has and ``X`` has not."""
    raw = source.group(group, "raw")
    if raw is None or kinds is None or source.child(raw, "var") is None:
        return []
    table = read_frame(source, raw, "var")
    if only.column not in table:
        return []
    here = set(kinds.modalities.dropna())
    names = as_text(table[only.column], "").unique()
    others = [repr(name) for name in names if known_modality(name) not in {None, *here}]
    return [f"raw also holds {', '.join(others)}, which X has not: left out"] if others else []


def _candidates(
    source: Hdf5,
    group: h5py.Group,
    n_obs: int,
    var: pd.DataFrame,
    only: KindFilter | None,
    layer: str | None,
) -> Iterator[Candidate]:
    """Yield the places where raw counts may be, best first; only ``layer`` where it exists."""

    def candidate(
        name: str, node: h5py.Group | h5py.Dataset, table: pd.DataFrame = var
    ) -> Candidate:
        opened = partial(open_matrix, source, node, (n_obs, len(table)))
        columns = None if only is None else only.positions(table)
        if only is not None and only.column not in table and only.positions(var) is None:
            columns = None  # of one kind, and nothing says that the table has others
        return Candidate(name, table, columns, opened)

    layers = source.group(group, "layers")
    names = [] if layers is None else source.names(layers)
    raw, prefix = source.group(group, "raw"), ""
    if raw is None:  # anndata before 0.7 had no group for it
        raw, prefix = group, "raw."
    has_raw = source.child(raw, f"{prefix}X") is not None
    if layers is not None and layer is not None and layer in names:
        yield candidate(f"layers[{layer!r}]", _must(source, layers, layer))
        return
    matrix = source.child(group, "X")
    named = {"X": matrix is not None, "raw": has_raw}.get(layer or "", False)
    if matrix is not None and not (named and layer != "X"):
        yield candidate("X", matrix)
    if layers is not None and "counts" in names and not named:
        yield candidate("layers['counts']", _must(source, layers, "counts"))
    if has_raw and not (named and layer != "raw"):
        found = candidate(
            "raw", _must(source, raw, f"{prefix}X"), read_frame(source, raw, f"{prefix}var")
        )
        if found.columns is None or len(found.columns):
            yield found


def _must(source: Hdf5, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    found = source.child(group, name)
    if found is None:
        raise source.error(f"{group.name}/{name} is missing")
    return found
