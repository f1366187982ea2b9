"""Names of cells that stand for several: refused, with the way to tell those apart if it is known.

Names that are made unique by their position in each modality would pair the RNA of one cell with
the proteins of another wherever the modalities hold their cells in different orders.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from multiverse.errors import DatasetError
from multiverse.registry.as_text import as_text
from multiverse.registry.files import Files
from multiverse.registry.layout import Layout, SourceModality
from multiverse.registry.pasted import literal, python_line
from multiverse.registry.zarr_store import is_store
from multiverse.specs.source_names import source_name

#: Cells that two modalities must share once a column tells them apart, of those of the smaller.
_LEAST_SHARE = 0.5
#: What scanpy reads as a folder of Cell Ranger 3 and later.
_MATRIX_FOLDER = ("matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz")
_NOBODY = (
    "Nothing in obs tells these cells apart in every modality, so which belong together can't be "
    "known from this file. Name the cells by their sample where the file is made, before the "
    "modalities are joined."
)


def check_names(layout: Layout, files: Files) -> None:
    """Raise :class:`DatasetError` where a name stands for several cells.

    The error names a column that tells them apart in every modality, with the command that names
    the cells by it, or says that nothing does.
    """
    tables = [("The file's obs", layout.obs.index)]
    tables += [(f"The obs of {part.modality}", part.obs.index) for part in layout.parts]
    if not layout.is_multimodal:
        tables = tables[:1]
    for what, names in [*tables[1:], *tables[:1]]:
        repeated = names[names.duplicated()]
        if len(repeated):
            raise DatasetError(
                f"{what} names {len(repeated):,} cells more than once, such as "
                f"{str(repeated[0])!r:.80}",
                remedy=_remedy(layout, files),
            )


def _remedy(layout: Layout, files: Files) -> str:
    column = _telling(layout.parts if layout.is_multimodal else layout.parts[:1])
    if column is not None:
        advice = f"The column {column!r} tells them apart: name the cells by it"
        advice += " in every modality" if layout.is_multimodal else ""
    elif layout.is_multimodal:
        return _NOBODY
    else:
        advice = "All modalities are in one table of cells, so that any new name will do"
    paths = [files] if isinstance(files, Path) else [*files.values()]
    if isinstance(files, Path) and _holds_mudata(files):
        names = [part.old_name for part in layout.parts]
        command = python_line(_mudata(files, names, column))
        return f"{advice}{_lost(layout)}, and {_register(files)}: {command}"
    readers = [_reader(path) for path in paths]
    if None in readers:
        return f"{advice}, and write the file again."
    commands = " && ".join(
        python_line(_anndata(path, reader, column))
        for path, reader in zip(paths, readers, strict=True)
        if reader is not None
    )
    needs = " (package scanpy)" if "scanpy" in commands else ""
    return f"{advice}, and {_register(files)}{needs}: {commands}"


def _reader(path: Path) -> tuple[str, str] | None:
    """Return the module and the call, without its path, that read a file or folder as AnnData."""
    if path.suffix.lower() == ".h5ad":
        return "anndata", "anndata.read_h5ad({})"
    if path.is_dir() and is_store(path):
        return "anndata", "anndata.read_zarr({})"
    if path.suffix.lower() == ".h5":
        return "scanpy", "scanpy.read_10x_h5({}, gex_only=False)"
    if all((path / name).is_file() for name in _MATRIX_FOLDER):
        return "scanpy", "scanpy.read_10x_mtx({}, gex_only=False)"
    return None


def _holds_mudata(path: Path) -> bool:
    return path.suffix.lower() == ".h5mu" or (path / "mod").is_dir()


def _register(files: Files) -> str:
    if isinstance(files, Path):
        return f"register {shlex.quote(str(_new(files)))}"
    named = " ".join(shlex.quote(f"{name}={_new(path)}") for name, path in files.items())
    return f"register --input {named}"


def _new(path: Path) -> Path:
    suffix = "h5mu" if _holds_mudata(path) else "h5ad"
    return path.with_name(f"{source_name(path)}_named.{suffix}")


def _lost(layout: Layout) -> str:
    """Return what is to be said of columns that no modality has: nobody knows whose they are."""
    known = {f"{start}{column}" for part in layout.parts for column in part.obs
             for start in ("", f"{part.old_name}:")}  # fmt: skip
    lost = [str(column) for column in layout.obs if str(column) not in known]
    return (
        f" (without the columns {', '.join(lost[:10])}, of which nobody knows whose they are)"
        if lost
        else ""
    )


def _telling(parts: Sequence[SourceModality]) -> str | None:
    """Return the column that with a cell's name is unique in each modality and the same in all."""
    columns = [
        str(column)
        for column in parts[0].obs
        if all(column in part.obs and part.obs[column].notna().all() for part in parts)
    ]
    best: tuple[int, int, str] | None = None
    for column in columns:
        values = [as_text(part.obs[column]) for part in parts]
        kinds = {*values[0]}
        if any({*other} != kinds for other in values[1:]):
            continue
        names = [found + "_" + found.index for found in values]
        if not all(found.is_unique for found in names):
            continue
        share = min(
            (
                one.isin(other).sum() / min(len(one), len(other))
                for one, other in combinations(names, 2)
            ),
            default=1,
        )
        if share < _LEAST_SHARE:
            continue
        rank = (round(-1000 * share), len(kinds), column)
        best = min(best, rank) if best else rank
    return best[2] if best else None


def _prefixed(data: str, column: str) -> str:
    return f'{data}.obs_names = {data}.obs[{literal(column)}].astype(str) + "_" + {data}.obs_names'


def _anndata(path: Path, reader: tuple[str, str], column: str | None) -> str:
    """Return lines that give the cells of a file new names, and write it beside the old one."""
    module, call = reader
    rename = "data.obs_names_make_unique()" if column is None else _prefixed("data", column)
    return (
        f"import {module}; data = {call.format(literal(path))}; {rename}; "
        f"data.write_h5ad({literal(_new(path))})"
    )


def _mudata(path: Path, names: Sequence[str], column: str | None) -> str:
    read = "read_h5mu" if path.suffix.lower() == ".h5mu" else "read_zarr"
    parts = [f"data[{literal(name)}]" for name in names]
    rename = "; ".join(
        f"{part}.obs_names_make_unique()" if column is None else _prefixed(part, column)
        for part in parts
    )
    kept = ", ".join(f"{literal(name)}: {part}" for name, part in zip(names, parts, strict=True))
    return (
        f"import mudata; data = mudata.{read}({literal(path)}); {rename}; "
        f"mudata.MuData({{{kept}}}).write_h5mu({literal(_new(path))})"
    )
