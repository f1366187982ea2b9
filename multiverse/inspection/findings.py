"""Reads a source as registration would, and goes on where registration has to stop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from multiverse import __version__
from multiverse.errors import DatasetError
from multiverse.events import Tell
from multiverse.inspection.commands import register_command
from multiverse.inspection.counts import FoundCounts, find_counts
from multiverse.inspection.facts import Findings, Obstacle, Way
from multiverse.inspection.keys import KeyAdvice, missing
from multiverse.registry.barcodes import match_barcodes
from multiverse.registry.cells import Alignment, align
from multiverse.registry.column_facts import describe_columns
from multiverse.registry.column_roles import Guess, Role, best_batches, best_labels, guesses
from multiverse.registry.columns import all_columns, choose_columns, suspect_labels
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.files import Files, name_of, slug_of
from multiverse.registry.formats import read_layout
from multiverse.registry.frames import read_frame
from multiverse.registry.layout import Layout
from multiverse.registry.measured_cells import measured_cells, padding_warnings
from multiverse.registry.opened_files import OpenedFiles
from multiverse.registry.options import RegistrationOptions, Unpaired
from multiverse.registry.repeated_names import check_names
from multiverse.registry.selection import select
from multiverse.registry.source import opened_source
from multiverse.specs.dataset import DatasetRecord


def find_in_files(
    files: Files, options: RegistrationOptions, scratch: Path, tell: Tell
) -> Findings:
    """Look through a source, or one a modality. Every matrix is streamed, none is kept.

    Raises :class:`DatasetError` where nothing can be read, and where a column, a layer or a
    modality that was asked for is not there.
    """
    with ExitStack() as stack:
        opened = OpenedFiles(files, stack)
        with opened.layout(scratch, options, read_layout) as whole:
            layout = select(whole, options)
            if options.match_barcodes:
                layout = match_barcodes(layout)
            chosen = _measured(layout, files, options)
            found = find_counts(layout.parts, options, tell, chosen)
            return _SourceFindings(files, layout, options, found, chosen).findings()


def _measured(layout: Layout, files: Files, options: RegistrationOptions) -> Alignment | None:
    """Return the cells that registration would keep, where cells without a modality are spoken of.

    None where nothing is said of them, and where it would refuse, which is found out again.
    """
    if options.unpaired is Unpaired.REFUSE:
        return None
    try:
        check_names(layout, files)
        return measured_cells(layout, options)[0]
    except DatasetError:
        return None


def find_in_registered(dataset: RegisteredDataset, scratch: Path, tell: Tell) -> Findings:
    """Look through a registered dataset: its counts again, and the columns held out of models."""
    with opened_source(dataset.data) as source, source.readable(scratch) as readable:
        layout = read_layout(readable, RegistrationOptions())
        parts = [replace(part, layer="X") for part in layout.parts]  # judged when it was registered
        found = find_counts(parts, RegistrationOptions(), tell)
    record = dataset.record
    return Findings(
        n_cells=record.n_obs,
        modalities=tuple(item.facts for item in found),
        lacking=record.lacking,
        columns=guesses(describe_columns(columns_of(dataset, scratch))),
        batch_key=record.batch_key,
        label_key=record.label_key,
        notes=record.notes,
        obstacles=(),
        ways=(Way(RegistrationOptions(), record),),
    )


def columns_of(dataset: RegisteredDataset, scratch: Path) -> pd.DataFrame:
    """Return the ``obs`` of a registered dataset, cells × columns, the held-out ones included."""
    held_out = dataset.labels.is_file()
    place = dataset.labels if held_out else dataset.data
    with opened_source(place) as source, source.readable(scratch) as readable:
        return read_frame(readable, readable.file, "obs")


@dataclass(frozen=True)
class _SourceFindings:
    files: Files
    layout: Layout
    options: RegistrationOptions
    found: list[FoundCounts]
    measured: Alignment | None

    def findings(self) -> Findings:
        alignments, problem = self._alignments()
        tables = {name: all_columns(self.layout, found) for name, found in alignments.items()}
        first = next(iter(tables.values()), self.layout.obs)
        old_names = tuple(part.old_name for part in self.layout.parts)
        chosen = choose_columns(first, old_names, self.options)
        obstacles = [*problem, *(item.obstacle for item in self.found if item.obstacle)]
        notes = [*self.layout.notes, *chosen.notes]
        notes += [note for item in self.found for note in item.notes]
        if self.options.unpaired is Unpaired.REFUSE and "" in alignments:
            notes += self._padding(alignments[""], chosen.batches)
        ways: list[Way] = []
        for name, alignment in alignments.items() if not obstacles else ():
            options = self._options(tables[name])
            ways.append(self._way(options, name, alignment))
        for way in ways[:1]:
            notes += [way.words] if way.words else []
            notes += self._unknown(way.options)
        widest = max(tables.values(), key=len, default=first)
        return Findings(
            n_cells=len(self.layout.obs),
            modalities=tuple(item.facts for item in self.found),
            lacking=self._lacking(),
            columns=guesses(describe_columns(widest)),
            batch_key=self.options.batch_key,
            label_key=self.options.label_key,
            notes=tuple(notes),
            obstacles=tuple(obstacles),
            ways=tuple(ways),
        )

    def _padding(self, alignment: Alignment, batches: pd.Series | None) -> tuple[str, ...]:
        """Return what is to be said of cells that are empty in one modality only."""
        if any(item.sums is None for item in self.found):
            return ()
        filled = {
            item.facts.modality: item.sums.values[alignment.rows[item.facts.modality]] > 0
            for item in self.found
            if item.sums is not None
        }
        return padding_warnings(alignment, filled, batches)

    def _unknown(self, options: RegistrationOptions) -> list[str]:
        """Return a note on labels that the command declares, and that nobody asked to."""
        if options.unlabelled == self.options.unlabelled:
            return []
        names = ", ".join(map(repr, options.unlabelled))
        return [f"{names} in {options.label_key} reads like no label, and is declared so below"]

    def _alignments(self) -> tuple[dict[str, Alignment], list[Obstacle]]:
        """Return the alignments that work, by the option each needs; none if none does."""
        refused: list[Obstacle] = []
        found: dict[str, Alignment] = {}
        try:
            found[""] = self._aligned(self.options)
        except DatasetError as error:
            refused = [Obstacle(str(error), error.remedy)]
            if self.options.intersect or self.options.mosaic:
                return {}, refused
            for name in ("intersect", "mosaic"):
                try:
                    found[name] = self._aligned(_unpaired(self.options, name))
                except DatasetError:
                    continue
        return found, [] if found else refused

    def _aligned(self, options: RegistrationOptions) -> Alignment:
        check_names(self.layout, self.files)
        if self.measured is not None and options == self.options:
            return self.measured
        indices = {part.modality: part.obs.index for part in self.layout.parts}
        return align(self.layout.obs.index, indices, options.unpaired)

    def _lacking(self) -> dict[str, int]:
        cells = self.layout.obs.index
        missing = {
            part.modality: len(cells) - int(cells.isin(part.obs.index).sum())
            for part in self.layout.parts
        }
        return {name: number for name, number in missing.items() if number}

    def _options(self, table: pd.DataFrame) -> RegistrationOptions:
        """Return the options with what is suggested where nothing was said."""
        options = with_keys(self.options, table)
        layers = {item.facts.modality: item.layer for item in self.found if item.layer}
        if not layers:
            return options
        if len(self.found) == 1:
            return replace(options, layer=next(iter(layers.values())))
        return replace(options, layer=layers)

    def _way(self, options: RegistrationOptions, choice: str, alignment: Alignment) -> Way:
        options = _unpaired(options, choice)
        modalities = {
            item.facts.modality: item.sums.summary(alignment.rows[item.facts.modality])
            for item in self.found
            if item.sums is not None
        }
        record = DatasetRecord(
            slug=slug_of(self.files),
            fingerprint="",
            n_obs=len(alignment.cells),
            modalities=modalities,
            groups=alignment.groups,
            source_name=name_of(self.files),
            source_sha256="",
            options_sha256="",
            registered_at="",
            multiverse_version=__version__,
        )
        words = _words(choice, record.n_obs, len(self.layout.obs)) or "; ".join(alignment.notes)
        return Way(options, record, words)


def _unpaired(options: RegistrationOptions, choice: str) -> RegistrationOptions:
    """Return the options with ``intersect``, ``mosaic`` or, for "", neither chosen besides."""
    return replace(
        options,
        intersect=options.intersect or choice == "intersect",
        mosaic=options.mosaic or choice == "mosaic",
    )


def _words(choice: str, kept: int, total: int) -> str:
    if choice == "intersect":
        return f"--intersect keeps the {kept:,} of {total:,} cells that have every modality"
    if choice == "mosaic":
        return f"--mosaic keeps all {kept:,} cells, for models that can take them"
    return ""


def with_keys(options: RegistrationOptions, table: pd.DataFrame) -> RegistrationOptions:
    """Return the options with the columns of ``obs`` that look like the label and the batch.

    Only where none was named; labels that read like the lack of one are declared as such.
    """
    columns = guesses(describe_columns(table))
    if options.label_key is None:
        label = _first(best_labels(columns), options.batch_key)
        suspects = () if label is None else suspect_labels(table[label])
        options = replace(options, label_key=label, unlabelled=suspects)
    if options.batch_key is None:
        batch = _first(best_batches(columns), options.label_key)
        options = replace(options, batch_key=batch)
    return options


def _first(fit: Sequence[Guess], taken: str | None) -> str | None:
    """Return the first column whose name can stand in a command, other than ``taken``."""
    names = (item.column.name for item in fit)
    return next((name for name in names if name != taken and name.isprintable()), None)


def advise_keys(
    dataset: RegisteredDataset, files: Files, options: RegistrationOptions, scratch: Path
) -> KeyAdvice:
    """Return what is to be said of a dataset that was registered without a batch or a label.

    ``files`` and ``options`` are what it was registered from. No lines where it has both.
    """
    roles = {Role.LABEL: options.label_key, Role.BATCH: options.batch_key}
    wanted = [role for role, key in roles.items() if key is None]
    if not wanted:
        return KeyAdvice((), None)
    table = columns_of(dataset, scratch)
    columns = guesses(describe_columns(table))
    lines = tuple(missing(role, columns) for role in wanted)
    better = with_keys(options, table)
    if better == options:
        return KeyAdvice(lines, None)
    return KeyAdvice(lines, register_command(files, dataset.record.slug, better))
