"""The cells of a layout that are kept, with their columns: those that were measured, as asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from multiverse.registry.cells import Alignment, align, check_links, only_complete, without_effect
from multiverse.registry.columns import Columns, all_columns, choose_columns
from multiverse.registry.judge import Judge
from multiverse.registry.layout import Layout
from multiverse.registry.options import RegistrationOptions, Unpaired
from multiverse.registry.padding import Filling, filled_cells, find_padding, without_padding


def measured_cells(layout: Layout, options: RegistrationOptions) -> tuple[Alignment, Columns]:
    """Return the cells to keep and what is known of them.

    Where cells that lack a modality are to be dropped or kept as such, so are those that are
    empty in it, padded with zeros or NaN, and were not measured, it seems; the matrices are read
    for that. Raises :class:`DatasetError` where no cells are left, or nothing links the
    modalities of a mosaic.
    """
    alignment = align(
        layout.obs.index,
        {part.modality: part.obs.index for part in layout.parts},
        options.unpaired,
    )
    columns = _columns(layout, alignment, options)
    if options.unpaired is Unpaired.REFUSE:
        return alignment, columns
    padding = find_padding(_fillings(layout, alignment, columns.batches, options), columns.batches)
    alignment = without_padding(alignment, padding)
    if options.unpaired is Unpaired.DROP:
        return _complete(layout, alignment, options)
    check_links(alignment.cells, alignment.measured)
    if not alignment.groups:
        alignment = _with_note(alignment, without_effect("mosaic", layout))
    return alignment, columns


def padding_warnings(
    alignment: Alignment, filled: Mapping[str, np.ndarray], batches: pd.Series | None
) -> tuple[str, ...]:
    """Return notes on cells that are padded and are taken as measured.

    ``filled``: modality → which of its measured cells have a count, (n_measured,).
    """
    fillings = {
        name: Filling.of(alignment.measured[name], has_count) for name, has_count in filled.items()
    }
    return tuple(padding.warning() for padding in find_padding(fillings, batches))


def _complete(
    layout: Layout, alignment: Alignment, options: RegistrationOptions
) -> tuple[Alignment, Columns]:
    kept = only_complete(alignment)
    if len(kept.cells) == len(layout.obs):
        kept = _with_note(kept, without_effect("intersect", layout))
    return kept, _columns(layout, kept, options)


def _columns(layout: Layout, alignment: Alignment, options: RegistrationOptions) -> Columns:
    names = tuple(part.old_name for part in layout.parts)
    return choose_columns(all_columns(layout, alignment), names, options)


def _fillings(
    layout: Layout,
    alignment: Alignment,
    batches: pd.Series | None,
    options: RegistrationOptions,
) -> dict[str, Filling]:
    fillings = {}
    for part in layout.parts if len(layout.parts) > 1 else ():
        rows = alignment.rows[part.modality]
        judge = Judge.of(part, rows, options, batches)
        order = np.searchsorted(judge.rows, rows)
        filled, absent = (which[order] for which in filled_cells(judge))
        fillings[part.modality] = Filling.of(alignment.measured[part.modality], filled, absent)
    return fillings


def _with_note(alignment: Alignment, note: str) -> Alignment:
    return replace(alignment, notes=(*alignment.notes, note))
