"""Making a dataset canonical: verified raw counts, aligned cells, labels apart, a fingerprint.

The order of things: what can be judged without reading counts is judged first; then one pass over
the counts verifies, writes and hashes them; then the version is published by one rename. Whatever
fails, nothing is left over and nothing that was there before is touched.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from multiverse import __version__
from multiverse.contract.paths import DATA_FILE, LABELS_FILE
from multiverse.errors import DatasetError
from multiverse.events import Noted, Tell, silent
from multiverse.registry.barcodes import match_barcodes
from multiverse.registry.canonical import CanonicalFile
from multiverse.registry.cells import Alignment
from multiverse.registry.column_facts import describe_columns
from multiverse.registry.column_roles import label_columns
from multiverse.registry.columns import Columns
from multiverse.registry.datasets import DatasetFolder, RegisteredDataset, checked_slug
from multiverse.registry.files import Files, check_files, name_of, slug_of
from multiverse.registry.fingerprint import data_fingerprint, labels_fingerprint
from multiverse.registry.formats import read_layout
from multiverse.registry.hdf5_source import SourceFile
from multiverse.registry.home import home as default_home
from multiverse.registry.labels import write_labels
from multiverse.registry.layout import Layout
from multiverse.registry.measured_cells import measured_cells, padding_warnings
from multiverse.registry.opened_files import OpenedFiles
from multiverse.registry.options import DEFAULT_OPTIONS, EVERY, RegistrationOptions, Unpaired
from multiverse.registry.part import PartWriter, WrittenPart
from multiverse.registry.repeated_names import check_names
from multiverse.registry.selection import select
from multiverse.registry.versions import locked
from multiverse.specs.dataset import DatasetRecord

__all__ = ["RegistrationOptions", "register"]


def register(
    source: Files,
    *,
    opened: Mapping[Path, SourceFile] | None = None,
    slug: str | None = None,
    options: RegistrationOptions = DEFAULT_OPTIONS,
    home: Path | None = None,
    tell: Tell = silent,
) -> RegisteredDataset:
    """Register a file or folder, or one of them a modality, under a slug (by default, its name).

    The same source, slug and options again return at once what was made before. Other content
    under a slug that is taken needs ``options.replace``.

    Parameters
    ----------
    source
        An ``.h5ad`` or ``.h5mu`` file, a zarr store of one, a 10x ``.h5`` file or matrix folder;
        or modality → one of these. It is only read; CSR and dense matrices are never loaded whole.
    opened
        Files of ``source`` that are open already, by their path.
    tell
        Receives one-line messages about what is being done.

    Raises
    ------
    UsageError
        The slug or the options are wrong; nothing was written.
    DatasetError
        The file can't be read, or can't be made canonical without inventing something.
    ResultsError, DiskFull
        The home can't be written.
    """
    options.check()
    check_files(source)
    slug = checked_slug(slug_of(source) if slug is None else slug)
    folder = DatasetFolder(slug, home or default_home())
    with ExitStack() as stack:
        found = OpenedFiles(source, stack, opened or {})
        origin = Origin(slug, source, found.sha256(), options)
        with locked(folder, replace=options.replace, tell=tell) as store:
            known = store.find(origin.sha256, options.sha256())
            if known is not None:
                files = "this file" if isinstance(source, Path) else "these files"
                tell(Noted(f"{slug} is already registered from {files}"))
                return store.use(known)
            with store.temporary() as temporary:
                scratch = temporary / "scratch"
                scratch.mkdir()
                with found.layout(scratch, options, read_layout) as layout:
                    record = Registration(layout, origin, temporary, scratch, tell).run()
                shutil.rmtree(scratch)
                return store.publish(record, temporary)


@dataclass(frozen=True)
class Origin:
    """The origin of a dataset: its source and the options it was registered with."""

    slug: str
    files: Files
    sha256: str
    options: RegistrationOptions

    @property
    def name(self) -> str:
        """The names of its files."""
        return name_of(self.files)


@dataclass(frozen=True)
class Registration:
    """One source on its way into one temporary folder; ``scratch`` is for big leftovers."""

    layout: Layout
    origin: Origin
    folder: Path
    scratch: Path
    tell: Tell

    def run(self) -> DatasetRecord:
        """Write everything but the record, and return the record."""
        options = self.origin.options
        self._check_keys()
        layout = select(self.layout, options)
        self._check_rounding(layout)
        check_names(layout, self.origin.files)
        if options.match_barcodes:
            layout = match_barcodes(layout)
        alignment, columns = measured_cells(layout, options)
        written = self._write_data(layout, alignment, columns)
        if columns.labels is not None:
            write_labels(self.folder / LABELS_FILE, columns.labels)
        notes = (*layout.notes, *alignment.notes, *columns.notes)
        if options.unpaired is Unpaired.REFUSE:
            filled = {name: part.counts.evidence.lengths > 0 for name, part in written.items()}
            notes = (*notes, *padding_warnings(alignment, filled, columns.batches))
        return self._record(alignment, columns, written, notes)

    def _check_keys(self) -> None:
        """Raise :class:`DatasetError` where a column that is needed is one that was left out."""
        options = self.origin.options
        wanted = {key for key in (options.batch_key, options.label_key) if key is not None}
        for (table, column), why in self.layout.unread.items():
            named = {column, f"{table.split('/')[-2]}:{column}"} & wanted
            if named and table.endswith("/obs"):
                raise DatasetError(
                    f"The column {column!r:.80} of {table} can't be used: it is {why}",
                    remedy=f"Keep it as text: obs[{column!r}] = obs[{column!r}].astype(str), and "
                    "write the file again.",
                )

    def _check_rounding(self, layout: Layout) -> None:
        names = [part.modality for part in layout.parts]
        unknown = [name for name in self.origin.options.round if name not in (*names, EVERY)]
        if unknown:
            raise DatasetError(
                f"{', '.join(unknown)} is to be rounded, and is not in {self.origin.name}",
                remedy=f"The modalities are: {', '.join(names)}",
            )

    def _write_data(
        self, layout: Layout, alignment: Alignment, columns: Columns
    ) -> dict[str, WrittenPart]:
        written = {}
        with CanonicalFile.create(self.folder / DATA_FILE) as file:
            writer = PartWriter(
                file, self.scratch, layout.parts, self.origin.options, columns.batches, self.tell
            )
            for part in layout.parts:
                written[part.modality] = writer.write(part, alignment.rows[part.modality])
            written = unique_across(written)
            features = {name: part.features for name, part in written.items()}
            file.write_tables(columns.visible(alignment.cells), features, alignment.measured)
        return written

    def _record(
        self,
        alignment: Alignment,
        columns: Columns,
        written: dict[str, WrittenPart],
        notes: tuple[str, ...],
    ) -> DatasetRecord:
        features = {name: part.features for name, part in written.items()}
        counts = {name: part.counts.sha256 for name, part in written.items()}
        labels = columns.labels
        answers = (
            None
            if labels is None
            else labels.drop(columns=[columns.batch_key or ""], errors="ignore")
        )
        return DatasetRecord(
            slug=self.origin.slug,
            fingerprint=data_fingerprint(
                alignment.cells, columns.batches, features, counts, alignment.measured
            ),
            labels_fingerprint=None if answers is None else labels_fingerprint(answers),
            n_obs=len(alignment.cells),
            modalities={name: part.counts.summary for name, part in written.items()},
            groups=alignment.groups,
            batch_key=columns.batch_key,
            n_batches=None if columns.batches is None else int(columns.batches.nunique()),
            label_key=columns.label_key,
            n_labels=columns.n_labels,
            label_columns=_label_columns(columns),
            unlabelled=self.origin.options.unlabelled,
            source_name=self.origin.name,
            source_sha256=self.origin.sha256,
            options_sha256=self.origin.options.sha256(),
            settings=self.origin.options.settings(),
            registered_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            multiverse_version=__version__,
            notes=(*notes, *(note for part in written.values() for note in part.notes)),
        )


def unique_across(written: dict[str, WrittenPart]) -> dict[str, WrittenPart]:
    """Prefix names that an earlier modality has too with their modality: ``adt:CD4``.

    MuData keeps the features of all modalities in one table, where a name must be one feature.
    """
    taken: set[str] = set()
    unique = {}
    for modality, part in written.items():
        names = part.features.index
        shared = names.isin(taken)
        if shared.any():
            renamed = [
                f"{modality}:{name}" if twice else name
                for name, twice in zip(names, shared, strict=True)
            ]
            features = part.features.set_axis(pd.Index(renamed, dtype=object))
            note = (
                f"{modality}: {int(shared.sum()):,} features are named as in another modality, "
                f"and are now called {modality}:NAME"
            )
            part = replace(part, features=features, notes=(*part.notes, note))
            if not part.features.index.is_unique or part.features.index.isin(taken).any():
                raise DatasetError(f"The feature names of {modality} can't be made unique")
        taken.update(part.features.index)
        unique[modality] = part
    return unique


def _label_columns(columns: Columns) -> dict[str, int]:
    """Return the columns that could be labels, where none were given."""
    if columns.label_key is not None or columns.labels is None:
        return {}
    return label_columns(describe_columns(columns.labels))
