"""Folders with a matrix in Matrix Market format and lists of barcodes and features beside it.

As Cell Ranger, STARsolo and kallisto | bustools write them, with or without gzip, and as GEO keeps
them, with the name of a sample before each file's own. The path is that of the folder or of the
matrix in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from multiverse.contract.files import stream_sha256
from multiverse.contract.hdf5 import stamp
from multiverse.errors import DatasetError
from multiverse.registry.formats.feature_names import PEAK
from multiverse.registry.formats.matrix_market import (
    EntrySpool,
    MatrixHeader,
    read_header,
    spool_entries,
)
from multiverse.registry.formats.text_stream import bounded_text
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.hdf5_source import read_copy
from multiverse.specs.names import first_of
from multiverse.specs.source_names import is_matrix_name, sample_of_matrix

_BARCODES = re.compile(r"barcodes?\.(?:tsv|txt|csv)(?:\.gz)?", re.IGNORECASE)
_FEATURES = re.compile(r"(?:features?|genes?|peaks?)\.(?:tsv|txt|csv|bed)(?:\.gz)?", re.IGNORECASE)
_SERIES = re.compile(r"[^._-]+[._-](?:features|genes)\.tsv(?:\.gz)?", re.IGNORECASE)
_PEAKS = re.compile(r"peaks?\.bed", re.IGNORECASE)
#: STARsolo writes further matrices of the same run, whose counts are shared out by a model.
_ESTIMATES = re.compile(r"UniqueAndMult-", re.IGNORECASE)
_MAX_NAMES, _MAX_NAME_BYTES = 20_000_000, 1024**3
_MAX_ENTRIES, _MOST_SHOWN = 100_000, 12


@dataclass(frozen=True)
class MatrixFiles:
    """The three files of one matrix, and names of other matrices that were passed over."""

    matrix: Path
    barcodes: Path
    features: Path
    others: tuple[str, ...] = ()

    @property
    def by_rows(self) -> bool:
        """True where its name says that cells are rows; of a square matrix nothing else does."""
        return "cells_x_" in self.matrix.name.lower()


def find_matrix(path: Path) -> MatrixFiles:
    """Return the files of the matrix at ``path``, a folder or a ``.mtx`` or ``.mtx.gz`` file.

    Raises :class:`DatasetError` where there is none, more than one, or no list beside it; the
    message names what there is.
    """
    folder = path if path.is_dir() else path.parent
    names = _names_in(folder)
    if folder is not path:
        return _with_lists(folder, path.name, names)
    matrices = [name for name in names if is_matrix_name(name)]
    if not matrices:
        raise _nothing_here(folder)
    chosen = [name for name in matrices if not _ESTIMATES.search(name)] or matrices
    if len(chosen) > 1:
        raise DatasetError(
            f"{folder} holds {len(chosen)} matrices: {_shown(chosen)}",
            remedy=f"Give the path of one of them: {shlex.quote(str(folder / chosen[0]))}",
        )
    others = tuple(name for name in matrices if name not in chosen)
    return _with_lists(folder, chosen[0], names, others)


def has_matrix(folder: Path) -> bool:
    """Return whether a folder, or one below it, holds a Matrix Market file."""
    return any(is_matrix_name(name) for name in _names_in(folder)) or bool(_below(folder))


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for _, entry in zip(range(_MAX_ENTRIES), entries, strict=False)]
    except OSError as error:
        raise DatasetError(f"{folder} can't be read: {error.strerror}") from error
    return sorted(found)


def _below(folder: Path) -> list[Path]:
    """Return matrices in folders below, two levels deep: a folder of 10x files as its path."""
    found: list[Path] = []
    for depth in ("*", "*/*", "*/*/*"):
        for number, path in enumerate(folder.glob(depth)):
            if number > _MAX_ENTRIES or len(found) > _MOST_SHOWN:
                break
            if is_matrix_name(path.name) and path.parent != folder and path.parent not in found:
                found.append(path.parent)
            elif path.suffix == ".h5" and "matrix" in path.name:
                found.append(path)
    return sorted(found, key=lambda path: (not path.name.startswith("filtered"), str(path)))


def _nothing_here(folder: Path) -> DatasetError:
    below = _below(folder)
    if below:
        shown = _shown([str(path.relative_to(folder)) for path in below])
        return DatasetError(
            f"{folder} is a folder without a matrix of its own; below it are: {shown}",
            remedy=f"Give the path of one of them: {shlex.quote(str(below[0]))}",
        )
    names = _names_in(folder)
    readable = [name for name in names if name.endswith((".h5ad", ".h5mu", ".h5"))]
    inside = f", which holds {_shown(names)}" if names else ", which is empty"
    if readable:
        remedy = f"Give the path of a file in it: {shlex.quote(str(folder / readable[0]))}"
    else:
        remedy = (
            "Pass an AnnData file (.h5ad), a MuData file (.h5mu), a 10x file (.h5), or a folder "
            "with matrix.mtx.gz, barcodes.tsv.gz and features.tsv.gz."
        )
    return DatasetError(f"{folder} is a folder, not a file{inside}", remedy=remedy)


def _with_lists(
    folder: Path, name: str, names: list[str], others: tuple[str, ...] = ()
) -> MatrixFiles:
    sample = sample_of_matrix(name)
    lists = {
        what: [other for other in names if _is_list_of(other, sample, pattern)]
        for what, pattern in (("barcodes", _BARCODES), ("features", _FEATURES))
    }
    if not lists["features"]:  # of a series: one list for all samples
        lists["features"] = [other for other in names if _SERIES.fullmatch(other)]
    for what, files in lists.items():
        if len(files) != 1:
            raise _no_list(folder, name, what, files, names)
    return MatrixFiles(
        folder / name, folder / lists["barcodes"][0], folder / lists["features"][0], others
    )


def _is_list_of(name: str, sample: str, pattern: re.Pattern[str]) -> bool:
    if not name.startswith(sample):
        return False
    return pattern.fullmatch(name[len(sample) :].lstrip("._-")) is not None


def _no_list(
    folder: Path, name: str, what: str, files: list[str], names: list[str]
) -> DatasetError:
    path = folder / name
    if len(files) > 1:
        return DatasetError(
            f"Beside {path} there are {len(files)} lists of {what}: {', '.join(files)}",
            remedy=f"Keep the one that belongs to it, and move the other elsewhere: "
            f"mv {shlex.quote(str(folder / files[-1]))} {shlex.quote(str(folder.parent))}",
        )
    prefix = name[: -len("matrix.mtx.gz")] if name.lower().endswith("matrix.mtx.gz") else ""
    wanted = f"{prefix}{what}.tsv.gz"
    others = [other for other in names if other != name]
    beside = f"beside it are {_shown(others)}" if others else "nothing is beside it"
    return DatasetError(
        f"{path} has no list of its {what} beside it, such as {wanted}; {beside}",
        remedy=f"Put the list of {what}, one a line, there as {shlex.quote(str(folder / wanted))}",
    )


def _shown(names: list[str]) -> str:
    return first_of([f"{name:.100}" for name in names], _MOST_SHOWN)


@dataclass
class MatrixFolder:
    """A matrix folder that is open (a ``Source``); its files are read through descriptors."""

    path: Path
    files: MatrixFiles
    streams: tuple[BinaryIO, ...]
    stamps: tuple[tuple[int, int, int], ...]

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[MatrixFolder]:
        """Open the three files; links to them are followed, it is the user's path."""
        files = find_matrix(path)
        with ExitStack() as stack:
            streams = tuple(
                stack.enter_context(_opened(file))
                for file in (files.matrix, files.barcodes, files.features)
            )
            yield cls(path, files, streams, tuple(stamp(stream.fileno()) for stream in streams))

    def sha256(self) -> str:
        """Return the SHA-256 of names and contents of the files in hexadecimal digits."""
        content = hashlib.sha256()
        for file, stream in zip(self._paths, self.streams, strict=True):
            stream.seek(0)
            content.update(f"{len(file.name.encode())}:".encode() + file.name.encode())
            content.update(stream_sha256(stream).encode())
        return content.hexdigest()

    @contextmanager
    def readable(self, scratch: Path) -> Iterator[Hdf5]:
        """Give a copy in ``scratch``, laid out as Cell Ranger's HDF5 files are.

        Raises :class:`DatasetError` where a file is damaged, or does not fit to the others.
        """
        copy = scratch / "matrix.h5"
        notes = self._copy(copy, scratch)
        with read_copy(copy, self.path, notes) as found:
            yield found
        copy.unlink()
        self._check_unchanged()

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self.files.matrix, self.files.barcodes, self.files.features)

    def _check_unchanged(self) -> None:
        if tuple(stamp(stream.fileno()) for stream in self.streams) != self.stamps:
            raise DatasetError(f"{self.path} was changed while it was read", remedy="Try again.")

    def _copy(self, copy: Path, scratch: Path) -> tuple[str, ...]:
        matrix, *_ = self.streams
        with bounded_text(matrix, self.files.matrix, 16 * 1024**2) as text:
            header = read_header(text, self.files.matrix)
        barcodes, said = _cells_of(self._lines(1), self.files.barcodes.name)
        features = self._lines(2)
        by_rows = self._by_rows(header, len(barcodes), len(features))
        spool = EntrySpool(scratch, len(barcodes))
        try:
            with bounded_text(matrix, self.files.matrix, header.max_bytes) as text:
                read_header(text, self.files.matrix)
                spool_entries(text, self.files.matrix, header, spool, by_rows=by_rows)
            with new_hdf5(copy) as (file, guarded):
                group = file.create_group("matrix")
                spool.write(group, guarded.check)
                group["shape"] = np.array([len(features), len(barcodes)], dtype=np.int64)
                _write_texts(group, "barcodes", barcodes)
                _write_features(group.create_group("features"), features, self.files.features.name)
        finally:
            spool.close()
        return (*said, *self._notes(header, by_rows))

    def _lines(self, number: int) -> list[list[str]]:
        """Return the fields of each line of a list, without empty lines at its end."""
        path = self._paths[number]
        found: list[list[str]] = []
        with bounded_text(self.streams[number], path, _MAX_NAME_BYTES) as text:
            for line in text:
                if len(found) >= _MAX_NAMES:
                    raise DatasetError(f"{path} has more than {_MAX_NAMES:,} lines")
                found.append(line.decode("utf-8", "replace").rstrip("\r\n").split("\t"))
        if found:
            found[0][0] = found[0][0].removeprefix("\ufeff")
        while found and found[-1] == [""]:
            found.pop()
        return _unquoted(found)

    def _by_rows(self, header: MatrixHeader, n_barcodes: int, n_features: int) -> bool:
        """Return whether the rows of the matrix are cells, by the lengths of the lists."""
        sizes = (header.rows, header.columns)
        fitting = {
            by_rows
            for by_rows, expected in (
                (False, (n_features, n_barcodes)),
                (True, (n_barcodes, n_features)),
            )
            if sizes == expected
        }
        if fitting:
            return self.files.by_rows if len(fitting) > 1 else fitting.pop()
        heading = (n_features - 1, n_barcodes - 1)
        hint = (
            "A list with one line more has a heading: remove its first line."
            if {*sizes} & {*heading}
            else "Check that the three files are of one sample."
        )
        raise DatasetError(
            f"{self.files.matrix} is a matrix of {header.rows:,} × {header.columns:,}, but "
            f"{self.files.features.name} has {n_features:,} lines and {self.files.barcodes.name} "
            f"has {n_barcodes:,}",
            remedy=hint,
        )

    def _notes(self, header: MatrixHeader, by_rows: bool) -> tuple[str, ...]:
        notes = []
        name = self.files.matrix.name
        if by_rows:
            notes.append(f"{name} has a row for each cell, and was read so")
        elif header.rows == header.columns:
            notes.append(f"{name} is square: its columns were taken as the cells")
        if header.pattern:
            notes.append(f"{name} has no values: each entry was taken as a count of 1")
        if self.files.others:
            notes.append(
                f"other matrices beside {name} were not read: {_shown([*self.files.others])}"
            )
        return tuple(notes)


def _unquoted(lines: list[list[str]]) -> list[list[str]]:
    """Return fields without the quotes that R writes: those of columns that are quoted throughout.

    An empty field may be without them, as R writes what is missing.
    """
    width = max(map(len, lines), default=0)
    for place in range(width):
        fields = [line[place] for line in lines if len(line) > place and line[place]]
        if fields and all(len(one) > 1 and one[0] == one[-1] == '"' for one in fields):
            for line in lines:
                if len(line) > place and line[place]:
                    line[place] = line[place][1:-1].replace('""', '"')
    return lines


def _cells_of(lines: list[list[str]], name: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the cells, and a note where a numbering stands before them."""
    first = [line[0] for line in lines]
    second = [line[1] for line in lines if len(line) > 1 and line[1]]
    numbered = any(first == [*map(str, range(k, k + len(lines)))] for k in (0, 1))
    if not numbered or len({*second}) < len(lines):
        return first, ()
    return second, (f"the first column of {name} numbers the cells; the second names them",)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DatasetError(f"{path} is not a regular file")
        yield stream


def _write_texts(group: h5py.Group, name: str, texts: list[str]) -> None:
    group.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def _are_peaks(features: list[list[str]]) -> bool:
    """Return whether every line is a chromosome, a start and an end, as of a BED file."""
    return bool(features) and all(
        len(line) > 2 and PEAK.fullmatch(f"{line[0]}-{line[1]}-{line[2]}") for line in features
    )


def _write_features(group: h5py.Group, features: list[list[str]], name: str) -> None:
    """Write identifiers, symbols and types: of a list of one column the names alone."""
    if _PEAKS.match(name.removesuffix(".gz").lower()[-len("peaks.bed") :]) or _are_peaks(features):
        peaks = [
            f"{line[0]}:{line[1]}-{line[2]}" if len(line) > 2 else line[0] for line in features
        ]
        _write_texts(group, "id", peaks)
        _write_texts(group, "feature_type", ["Peaks"] * len(peaks))
        return
    _write_texts(group, "id", [line[0] for line in features])
    _write_texts(group, "name", [(*line, "")[1] or line[0] for line in features])
    if name.lower().removesuffix(".gz").endswith("genes.tsv"):
        _write_texts(group, "feature_type", ["Gene Expression"] * len(features))
    elif any(len(line) > 2 for line in features):
        kinds = [line[2] if len(line) > 2 else "" for line in features]
        _write_texts(group, "feature_type", kinds)
