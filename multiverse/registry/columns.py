"""Columns of ``obs``: the batch, which models see, and all others, which they do not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.as_text import as_text
from multiverse.registry.cells import Alignment
from multiverse.registry.column_facts import describe_columns
from multiverse.registry.column_roles import Role, offer
from multiverse.registry.layout import Layout
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.dataset import SUSPECT_LABELS
from multiverse.specs.yaml_file import nearest


@dataclass(frozen=True)
class Columns:
    """The columns of the cells. ``labels`` is None where nothing but the batch is known."""

    batch_key: str | None
    batches: pd.Series | None
    label_key: str | None
    labels: pd.DataFrame | None
    n_labels: int | None
    notes: tuple[str, ...]

    def visible(self, cells: pd.Index) -> pd.DataFrame:
        """Return the ``obs`` that models see: names, and the batch if there is one."""
        obs = pd.DataFrame(index=cells)
        if self.batches is not None:
            obs[self.batch_key] = pd.Categorical(self.batches, sorted(set(self.batches)))
        return obs


def all_columns(layout: Layout, alignment: Alignment) -> pd.DataFrame:
    """Return every column that is known of the kept cells, those of a modality as ``rna:name``."""
    shared = layout.obs.loc[alignment.cells]
    if not layout.is_multimodal:
        return shared
    tables = {part.old_name: part.obs.iloc[alignment.rows[part.modality]] for part in layout.parts}
    return join_tables(shared, tables)


def join_tables(shared: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the columns of all modalities beside the shared ones, as ``rna:column``.

    All tables have the kept cells in order, a modality's only those that it has: of the others
    its columns say nothing. A modality's copy of a shared column is left out.
    """
    joined = dict(shared.items())
    for name, table in tables.items():
        known = shared if len(table) == len(shared) else shared.loc[table.index]
        for column, values in table.items():
            full = f"{name}:{column}"
            copy = column in shared and _equal(known[str(column)], values)
            if full not in joined and not copy:
                joined[full] = _spread(values, shared.index)
    return pd.DataFrame(joined, index=shared.index)


def _spread(values: pd.Series, cells: pd.Index) -> pd.Series:
    """Spread values over all cells, missing where there are none; whole numbers stay whole."""
    if len(values) == len(cells):
        return values
    if values.dtype.kind in "iub":
        values = values.convert_dtypes()
    return values.reindex(cells)


def choose_columns(
    table: pd.DataFrame, modalities: tuple[str, ...], options: RegistrationOptions
) -> Columns:
    """Find the batch and the label column, and check what they hold.

    Raises :class:`DatasetError` where a column is missing or ambiguous, where a cell has no
    batch, and where no cell has a label.
    """
    notes: list[str] = []
    batch = label = batches = n_labels = None
    if options.batch_key is not None:
        table, batch = _find(table, options.batch_key, modalities, "batch")
        batches = _batches(table[batch], batch)
        if batches.nunique() == 1:
            notes.append(f"the batch column {batch!r} has one value only, {batches.iloc[0]!r}")
    if options.label_key is not None:
        table, label = _find(table, options.label_key, modalities, "label")
        if label == batch:
            raise DatasetError(f"{label!r} can't be both the batch and the label column")
        table[label] = pd.Categorical(as_text(table[label]))
        n_labels = _count_labels(table[label], options.unlabelled, notes)
    others = [column for column in table if column != batch]
    if batches is not None:
        table[batch] = pd.Categorical(batches)
    labels = table if others else None
    return Columns(batch, batches, label, labels, n_labels, tuple(notes))


def _find(
    table: pd.DataFrame, key: str, modalities: tuple[str, ...], what: str
) -> tuple[pd.DataFrame, str]:
    """Return the table with the column under a name that needs no modality, and that name."""
    prefix, _, plain = key.partition(":")
    if key in table:
        if not (plain and prefix in modalities):
            return table.copy(), key
        name = plain if plain not in table else key.replace(":", "_")
        return table.rename(columns={key: name}), name
    found = [f"{name}:{key}" for name in modalities if f"{name}:{key}" in table]
    if not found:
        raise _absent(table, key, modalities, what)
    values = as_text(table[found[0]])
    for other in (as_text(table[name]) for name in found[1:]):
        if (values.notna() & other.notna() & (values != other)).any():
            raise DatasetError(
                f"The {what} column {key!r} differs between {' and '.join(found)}",
                remedy=f"Say which one is meant: {' or '.join(found)}",
            )
        values = values.where(values.notna(), other)
    return table.drop(columns=found).assign(**{key: values}), key


def _absent(table: pd.DataFrame, key: str, modalities: tuple[str, ...], what: str) -> DatasetError:
    """Return the error for a column that is not there, with those that may be meant."""
    names = [str(name) for name in table.columns]
    plain = [name.partition(":")[2] for name in names if name.partition(":")[0] in modalities]
    near = nearest(key, [*plain, *names])
    remedy = f"obs has no columns at all: leave --{what}-key out."
    if names:
        remedy = offer(describe_columns(table), Role.LABEL if what == "label" else Role.BATCH)
    meant = "" if near is None else f"; did you mean {near!r}?"
    return DatasetError(f"There is no {what} column {key!r} in obs{meant}", remedy=remedy)


def _batches(values: pd.Series, key: str) -> pd.Series:
    missing = int(values.isna().sum())
    if missing:
        raise DatasetError(
            f"{missing:,} of {len(values):,} cells have no value in the batch column {key!r}",
            remedy="Fill it in, or remove those cells: what batch they are from can't be guessed.",
        )
    return as_text(values)


def _count_labels(values: pd.Series, unlabelled: tuple[str, ...], notes: list[str]) -> int:
    absent = [value for value in unlabelled if value not in set(values.cat.categories)]
    if absent:
        named = ", ".join(f"{value!r:.60}" for value in absent)
        notes.append(f"unlabelled has no effect for {named}: no cell is labelled so")
    suspects = [name for name in suspect_labels(values) if name not in unlabelled]
    if suspects:
        options = " ".join(f"--unlabelled {shlex.quote(name)}" for name in suspects)
        named = ", ".join(map(repr, suspects))
        notes.append(f"{named} in {values.name!r} reads like no label; if it is none: {options}")
    unknown = values.isna() | values.isin(unlabelled)
    if unknown.all():
        raise DatasetError(f"No cell has a label in {values.name!r}")
    if unknown.any():
        notes.append(f"{int(unknown.sum()):,} of {len(values):,} cells have no label")
    return int(values[~unknown].nunique())


def _equal(one: pd.Series, other: pd.Series) -> bool:
    if not np.array_equal(one.isna().to_numpy(), other.isna().to_numpy()):
        return False
    return np.array_equal(as_text(one).to_numpy(), as_text(other).to_numpy())


def suspect_labels(values: pd.Series) -> tuple[str, ...]:
    """Return the labels that read like the lack of one, as text, of shape (n_cells,)."""
    present = pd.Series(values.dropna().unique(), dtype=object)
    names = as_text(present) if len(present) else present
    return tuple(sorted(name for name in names if name.strip().lower() in SUSPECT_LABELS))
