"""Files of other programs: told apart by their content, and the lines that make them readable.

Nothing of them is unpacked or loaded here but their first bytes, and the names in an archive.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import shlex
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from multiverse.errors import DatasetError
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.pasted import literal, python_line, quoted
from multiverse.registry.wrappings import damage_of, packed, placeholder
from multiverse.specs.names import first_of

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_ZIP, _TAR = b"PK\x03\x04", b"ustar"
_RDS, _RDATA = (b"X\n\x00\x00\x00", b"A\n", b"B\n"), (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n")
_HDF5_SUFFIXES = (".h5ad", ".h5mu", ".h5", ".hdf5", ".loom", ".h5seurat")
_TABLES = re.compile(r"\.(csv|tsv|txt|tab)(\.gz)?$", re.IGNORECASE)
_R_FILES = (".rds", ".rda", ".rdata", ".robj")
_PEEK, _MAX_MEMBERS = 64 * 1024, 10_000
_BARCODE = re.compile(r"(?i)(?:.*[^A-Z])?[ACGTN]{8,}(?:[^A-Z].*)?")
_AGAIN = "Copy or download it again; a file that is still being written can't be read."
#: Files in an archive or beside another that can be registered, best first.
_READABLE = re.compile(
    r"(?i)(?:(?P<first>.*\.h5(?:mu|ad)|.*filtered.*\.h5)|.*matrix\.mtx(?:\.gz)?|.*matrix.*\.h5)$"
)
#: Cell Ranger's matrices, of RNA and of ATAC alone, with the name of a sample before them.
_CELL_RANGER = re.compile(
    r"(?P<sample>(?:.+[._-])?)(?P<kind>filtered|raw)_(?:feature|gene|peak)_bc_matrix(?:_?h5)?(?:\.h5)?"
)


def foreign_file(path: Path, status: os.stat_result) -> DatasetError:
    """Return the error for a file that is not HDF5: what it is, and what to do with it."""
    head = _head(path)
    if (stands_in := placeholder(path, head, status)) is not None:
        return stands_in
    content = _unpacked(head)
    name = path.name.lower()
    if content.startswith(_RDATA):
        return _r_file(path, f"x <- get(load({literal(path)})[1])")
    if content.startswith(_RDS) and (content is not head or name.endswith(_R_FILES)):
        return _r_file(path, f"x <- readRDS({literal(path)})")
    if name.endswith(_R_FILES):
        return DatasetError(f"{path} is named as a file of R, but is none", remedy=_AGAIN)
    if head.startswith(_ZIP) or content[257:262] == _TAR:
        return _archive(path)
    if "fragments" in name and _TABLES.search(name):
        return DatasetError(
            f"{path} is a list of ATAC fragments, not a matrix of counts", remedy=_beside(path)
        )
    if _TABLES.search(name) and b"\0" not in content:
        return _table(path, content)
    if (compressed := packed(path, head)) is not None:
        return compressed
    if name.endswith(_HDF5_SUFFIXES):
        return damage_of(path, "it does not begin as one", status.st_size)
    return DatasetError(
        f"{path} is neither an .h5ad nor an .h5mu file, nor another one that is known",
        remedy="Pass an AnnData file (.h5ad), a MuData file (.h5mu), a zarr store of one, a 10x "
        "file (.h5) or a matrix folder. scanpy reads many other formats, and writes .h5ad.",
    )


def foreign_hdf5(source: Hdf5) -> DatasetError:
    """Return the error for an HDF5 file whose layout is not read."""
    names = set(source.names(source.file))
    path = source.path
    if names >= {"matrix", "row_attrs", "col_attrs"}:
        return _loom(source)
    if "assays" in names and "cell.names" in names:
        return _r_file(path, f"x <- SeuratDisk::LoadH5Seurat({literal(path)})", "an h5Seurat file")
    if names >= {"barcode_idx", "umi"} or names >= {"barcode", "umi", "gem_group"}:
        what = "is Cell Ranger's list of molecules (molecule_info.h5), not a matrix of counts"
        return DatasetError(f"{path} {what}", remedy=_beside(path))
    kind = source.attribute(source.file, "filetype")
    if isinstance(kind, bytes | str) and kind not in ("", b""):
        text = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else kind
        what = f"is a 10x Genomics file of type {text!r:.40}, not a matrix of counts"
        return DatasetError(f"{path} {what}", remedy=_beside(path))
    shown = ", ".join(f"{name:.40}" for name in sorted(names)[:8]) or "nothing"
    return DatasetError(
        f"{path} is an HDF5 file, but neither AnnData nor MuData nor a 10x matrix: it holds "
        f"{shown}",
        remedy=_beside(path),
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_PEEK)
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}") from error


def _unpacked(head: bytes) -> bytes:
    """Return the first bytes of a file after its compression, if it has one that is known."""
    openers: dict[bytes, Callable[[IO[bytes]], Any]] = {
        _GZIP: gzip.open,
        _BZIP2: bz2.open,
        _XZ: lzma.open,
    }
    for magic, opener in openers.items():
        if head.startswith(magic):
            try:
                with opener(io.BytesIO(head)) as stream:
                    return _some(stream)
            except (OSError, EOFError, zlib.error, lzma.LZMAError):
                return head
    return head


def _some(stream: IO[bytes]) -> bytes:
    """Return as much as comes out of the beginning of a packed file, which ends too early."""
    found = b""
    try:
        while len(found) < _PEEK and (block := stream.read(1024)):
            found += block
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass
    return found


def _target(path: Path, suffix: str = ".h5ad") -> Path:
    stem = path.name
    while (found := re.search(r"\.[A-Za-z0-9]{1,8}$", stem)) and found.start():
        stem = stem[: found.start()]
    return path.with_name(f"{stem}{suffix}")


def _r_file(path: Path, read: str, what: str = "a file of R") -> DatasetError:
    """Return the error for an object of R, with the line that writes each of its assays.

    Layers of Seurat 5 are joined first: they are one matrix for each sample.
    """
    start = literal(_target(path, "_"))
    write = f'anndataR::write_h5ad(%s, paste0({start}, a, ".h5ad"), mode = "w"%s)'
    alternative = 'as(SingleCellExperiment::altExp(x, a), "SingleCellExperiment")'
    program = (
        f'{read}; if (inherits(x, "Seurat")) for (a in names(x@assays)) {{ '
        'if (inherits(x[[a]], "Assay5")) x@assays[[a]] <- '
        'as(SeuratObject::JoinLayers(x[[a]]), "Assay"); '
        f'{write % ("x", ", assay_name = a")} }} else {{ a <- "main"; {write % ("x", "")}; '
        "for (a in SingleCellExperiment::altExpNames(x)) "
        f"{write % (alternative, '')} }}"
    )
    return DatasetError(
        f"{path} is {what}, which only R reads",
        remedy="Write it again from R, a file for each assay of a Seurat or SingleCellExperiment "
        "object (with the packages anndataR and rhdf5 of Bioconductor; "
        "zellkonverter::writeH5AD does the same for the latter); the file of proteins is then "
        f"given with --modality X=adt. Rscript -e {shlex.quote(program)}",
    )


def _archive(path: Path) -> DatasetError:
    names = _members(path)
    folder = _target(path, "")
    if folder == path:
        folder = path.with_name(f"{path.name}_unpacked")
    known = sorted(
        (name for name in names if _READABLE.match(name)),
        key=lambda name: (_READABLE.match(name)["first"] is None, name),  # type: ignore[index]
    )
    if zipfile.is_zipfile(path):
        command = f"python -m zipfile -e {quoted(path)} {quoted(folder)}"
    else:
        command = f"mkdir -p {quoted(folder)} && tar -xf {quoted(path)} -C {quoted(folder)}"
    kind = "a zip archive" if zipfile.is_zipfile(path) else "a tar archive"
    shown = first_of([f"{name:.80}" for name in names], 8) or "no file"
    then = f", then give {quoted(folder / known[0])}" if known else ""
    return DatasetError(f"{path} is {kind} of {shown}", remedy=f"Unpack it first: {command}{then}")


def _members(path: Path) -> list[str]:
    """Return names of files in an archive, as far as they are safe to show and to unpack."""
    found: list[str] = []
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found = [name for name in archive.namelist()[:_MAX_MEMBERS] if name[-1:] != "/"]
        else:
            with tarfile.open(path, "r:*") as tar:
                for number, member in enumerate(tar):
                    if number >= _MAX_MEMBERS or tar.offset > 4 * 1024**3:
                        break
                    if member.isfile():
                        found.append(member.name)
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError):
        pass
    return [
        name
        for name in found
        if name.isprintable() and not name.startswith("/") and ".." not in name.split("/")
    ]


def _table(path: Path, content: bytes) -> DatasetError:
    lines = content.decode("utf-8", "replace").splitlines()
    header, row, separator = _parsed(lines[:2])
    fields = header[1:50]
    cells_are_rows = bool(_BARCODE.fullmatch(row[0])) and not any(map(_BARCODE.fullmatch, fields))
    program = (
        f"import anndata, pandas, scipy.sparse as s; t = pandas.read_csv({literal(path)}, "
        f"index_col=0, sep={literal(separator)}){'' if cells_are_rows else '.T'}; "
        "anndata.AnnData(s.csr_matrix(t.to_numpy()), obs=t[[]], var=t.T[[]])"
        f".write_h5ad({literal(_target(path))})"
    )
    other = (
        "its rows are taken as cells; add .T after the bracket of read_csv if they are features"
        if cells_are_rows
        else "its columns are taken as cells; leave .T out if its rows are"
    )
    return DatasetError(
        f"{path} is a table of text, which does not say what its rows and columns are",
        remedy=f"Make an .h5ad file of it ({other}): {python_line(program)}",
    )


def _parsed(lines: list[str]) -> tuple[list[str], list[str], str]:
    """Return the fields of a table's first two lines, and what separates them, for pandas."""
    first, second = (*lines, "", "")[:2]
    separator = "\t" if first.count("\t") > first.count(",") else ","
    if separator not in first and separator not in second:  # as R's write.table has it
        header, row = (
            next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), [])
            for line in (first, second)
        )
        if len(row) > 1 and len(row) - len(header) in (0, 1):
            return header, row, r"\s+"
    header, row = (next(csv.reader([line], delimiter=separator), [""]) for line in (first, second))
    return header, row or [""], separator


def _loom(source: Hdf5) -> DatasetError:
    path = source.path
    names = {
        axis: list(source.names(group)) if (group := source.group(source.file, axis)) else []
        for axis in ("row_attrs", "col_attrs")
    }
    genes = _first(names["row_attrs"], ("Gene", "gene_names", "var_names", "gene_ids", "Accession"))
    cells = _first(names["col_attrs"], ("CellID", "cell_names", "obs_names", "barcodes"))
    program = (
        f"import anndata; d = anndata.io.read_loom({literal(path)}, sparse=True, cleanup=False, "
        f"obs_names={literal(cells)}, var_names={literal(genes)}, dtype=None); "
        f"d.write_h5ad({literal(_target(path))})"
    )
    return DatasetError(
        f"{path} is a loom file",
        remedy="Make an .h5ad file of it (package loompy: pip install loompy): "
        f"{python_line(program)}",
    )


def _first(names: list[str], wanted: tuple[str, ...]) -> str:
    return next((name for name in wanted if name in names), names[0] if names else wanted[0])


def _beside(path: Path) -> str:
    """Return the next step: Cell Ranger's matrix of the same sample in the folder, if there."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.name != path.name)
    except OSError:
        names = []
    found = [one for name in names if (one := _CELL_RANGER.fullmatch(name))]
    same = [one for one in found if path.name.startswith(one["sample"])]
    best = max((len(one["sample"]) for one in same), default=0)
    ranked = sorted(
        (one for one in same if len(one["sample"]) == best),
        key=lambda one: (one["kind"] != "filtered", not one[0].endswith(".h5")),
    )
    if ranked:
        return f"Give the matrix beside it: {quoted(path.parent / ranked[0][0])}"
    return (
        "Give the file with the matrix: of Cell Ranger it is filtered_feature_bc_matrix.h5, "
        "else an .h5ad or .h5mu file."
    )
