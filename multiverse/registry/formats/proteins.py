"""Proteins in ``obsm``, beside the genes of ``X``, as scvi-tools and others keep them.

They are a table with a column for each protein, or an array whose names stand in ``uns``. What a
table is, is judged by what it holds; its name only tells what to expect.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import h5py
import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from multiverse.registry.counts import NotCounts, verified_counts
from multiverse.registry.elements import find_member
from multiverse.registry.frames import text_index
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import Candidate, SourceModality
from multiverse.registry.matrix import BLOCK_VALUES, Block, Matrix, open_matrix

#: How a table of ``obsm`` is called in ``modality_names``: ``obsm:protein_expression``.
PREFIX = "obsm:"
_PROTEINS = re.compile(r"prot|adt|antibod|cite|surface|(?:^|[\W_])ab(?:[\W_]|$)", re.IGNORECASE)
_OTHERS = re.compile(r"hto|hash|guide|crispr|atac|peak|fragment|insertion", re.IGNORECASE)
_EMBEDDINGS = re.compile(
    r"pca|umap|tsne|lsi|latent|embed|harmony|vi$|mofa|nmf|diffmap|svd|factor", re.IGNORECASE
)
_MATRICES = ("csr_matrix", "csc_matrix")


@dataclass(frozen=True)
class CellTable:
    """A table of ``obsm`` with a name for each column; ``problem``: why it holds no counts."""

    name: str
    columns: pd.Index
    matrix: Matrix | None
    problem: str | None

    @property
    def old_name(self) -> str:
        """Its name in ``modality_names``."""
        return f"{PREFIX}{self.name}"

    @property
    def is_protein(self) -> bool:
        """True where its name says that it holds proteins."""
        return is_protein_name(self.name)

    def modality(self, modality: str, obs: pd.DataFrame) -> SourceModality:
        """Return it as a modality of the cells ``obs``."""
        var = pd.DataFrame(index=self.columns)
        return SourceModality(
            modality=modality,
            old_name=self.old_name,
            obs=obs,
            n_vars=len(self.columns),
            layers=(),
            candidates=partial(self._candidates, var),
        )

    def _candidates(self, var: pd.DataFrame, layer: str | None) -> Iterator[Candidate]:  # noqa: ARG002
        if self.matrix is not None:
            yield Candidate(f"obsm[{self.name!r}]", var, None, partial(_same, self.matrix))

    def left_out(self, reason: str) -> str:
        """Return the note for a table that is not used."""
        return f"obsm[{self.name!r}] was left out: {reason}"


def is_protein_name(name: str) -> bool:
    """Return whether a name in ``obsm`` promises proteins; names of embeddings do not."""
    return bool(_PROTEINS.search(name)) and not (_EMBEDDINGS.search(name) or _OTHERS.search(name))


def is_counts_name(name: str) -> bool:
    """Return whether a name in ``obsm`` promises counts of any kind."""
    return is_protein_name(name) or bool(_OTHERS.search(name) and not _EMBEDDINGS.search(name))


def read_tables(source: Hdf5, group: h5py.Group, obs: pd.DataFrame) -> list[CellTable]:
    """Read what in ``obsm`` may hold counts; embeddings and the like are not returned.

    Each is read through once, block by block, to see what it holds.
    """
    tables = source.group(group, "obsm")
    if tables is None:
        return []
    found = []
    for name in sorted(source.names(tables)):
        node = source.child(tables, name)
        table = None if node is None else _read_table(source, group, name, node, obs)
        if table is not None:
            found.append(table)
    return found


def note_unused(table: CellTable) -> str:
    """Return the note for a table that nobody chose and that is no modality by itself."""
    if table.problem is not None:
        return table.left_out(table.problem)
    shown = ", ".join(map(str, table.columns[:3]))
    option = shlex.quote(f"{table.old_name}=adt")
    return table.left_out(
        f"it holds whole numbers in {len(table.columns):,} columns ({shown}, …); if these are "
        f"counts of proteins: --modality {option}"
    )


def _read_table(
    source: Hdf5, group: h5py.Group, name: str, node: h5py.Group | h5py.Dataset, obs: pd.DataFrame
) -> CellTable | None:
    expected = is_counts_name(name)
    encoding = source.attribute(node, "encoding-type")
    nothing = pd.Index([], dtype=object)
    if isinstance(node, h5py.Group) and encoding == "dataframe":
        columns = _frame_columns(source, node)
        if not len(columns):
            return None
        matrix, problem = _frame_matrix(source, node, columns, obs)
        if matrix is None:
            return CellTable(name, columns, None, problem) if expected else None
    elif isinstance(node, h5py.Dataset) or encoding in _MATRICES:
        width = _width(source, node)
        if not width or (isinstance(node, h5py.Dataset) and node.dtype.kind not in "iuf"):
            return None
        names = _names_in_uns(source, group, name, node, width)
        if names is None:
            if not expected:
                return None
            return CellTable(name, nothing, None, _without_names(name, width))
        columns = text_index(names, f"{source.path}: the names of obsm[{name!r}]")
        matrix = open_matrix(source, node, (len(obs), width))
    else:
        return None
    problem = _problem(matrix, obs.index, columns)
    if problem is not None and not expected:
        return None
    return CellTable(name, columns, matrix if problem is None else None, problem)


def _problem(matrix: Matrix, cells: pd.Index, names: pd.Index) -> str | None:
    """Read a matrix through; return what in it is no count, None where all is well."""
    total = 0
    try:
        for block in verified_counts(matrix, np.arange(len(cells)), None, cells, names):
            total += block.nnz
    except NotCounts as problem:
        return f"it holds no raw counts, as {problem}"
    return None if total else "every value is zero"


def _without_names(name: str, width: int) -> str:
    lines = f"adata.uns[{f'{name}_names'!r}] = [...]"
    return (
        f"its {width:,} columns have no names; put them into uns, {lines}, or make it a "
        "pandas.DataFrame, and write the file again"
    )


def _same(matrix: Matrix) -> Matrix:
    return matrix


def _width(source: Hdf5, node: h5py.Group | h5py.Dataset) -> int:
    """Return the number of columns of a matrix; 0 where it is none."""
    shape = node.shape if isinstance(node, h5py.Dataset) else source.attribute(node, "shape")
    return int(shape[1]) if shape is not None and np.size(shape) == 2 else 0


def _frame_columns(source: Hdf5, group: h5py.Group) -> pd.Index:
    names = source.attribute(group, "column-order")
    return text_index(pd.Index(names if names is not None else []), str(group.name))


def _frame_matrix(
    source: Hdf5, group: h5py.Group, columns: pd.Index, obs: pd.DataFrame
) -> tuple[Matrix | None, str | None]:
    """Return the columns of a table as a matrix, or what makes them none."""
    if columns.has_duplicates:
        return None, f"two of its columns are named {str(columns[columns.duplicated()][0])!r:.60}"
    index = find_member(source, group, str(source.attribute(group, "_index")))
    if not isinstance(index, h5py.Dataset):
        return None, "its rows have no names"
    rows = text_index(pd.Index(source.load(index)), str(index.name))
    if not rows.equals(obs.index):
        return None, "its rows are not named as the cells of obs are"
    arrays = []
    for name in columns:
        node = find_member(source, group, str(name))
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "iuf":
            return None, f"its column {str(name)!r:.60} is not made of plain numbers"
        if node.shape != (len(obs),):
            raise source.error(f"{node.name} has shape {node.shape}, not ({len(obs):,},)")
        arrays.append(node)
    return ColumnMatrix(source, arrays), None


class ColumnMatrix:
    """A table that is stored column by column, as blocks of rows."""

    def __init__(self, source: Hdf5, columns: list[h5py.Dataset]) -> None:
        self._source = source
        self._columns = columns

    def blocks(self) -> Iterator[Block]:
        n_obs = self._columns[0].shape[0]
        rows = max(1, BLOCK_VALUES // len(self._columns))
        for start in range(0, n_obs, rows):
            stop = min(start + rows, n_obs)
            read = []
            for column in self._columns:
                with self._source.reading(column.name):
                    read.append(np.asarray(column[start:stop]))
            yield Block(start, csr_array(np.column_stack(read)))


def _names_in_uns(
    source: Hdf5, group: h5py.Group, name: str, node: h5py.Group | h5py.Dataset, width: int
) -> pd.Index | None:
    """Return the names of an array's columns, from its attributes or ``uns``; None without any.

    In ``uns`` they are a list of that length whose key names the array, or proteins.
    """
    for attribute in ("column-names", "columns", "names"):
        names = source.attribute(node, attribute)
        if _are_names(names, width):
            return text_index(pd.Index(names), str(node.name))
    uns = source.group(group, "uns")
    if uns is None:
        return None
    found: dict[tuple[str, ...], int] = {}
    for key in sorted(source.names(uns)):
        if not (name in key or (is_protein_name(name) and is_protein_name(key))):
            continue
        listed = source.child(uns, key)
        if isinstance(listed, h5py.Dataset) and listed.shape == (width,):
            names = source.load(listed)
            if _are_names(names, width):
                found[tuple(_text(item) for item in names)] = int(key.startswith(name))
    best = [names for names, own in found.items() if own] or [*found]
    return pd.Index([*best[0]], dtype=object) if len(best) == 1 else None


def _are_names(names: object, width: int) -> bool:
    array = np.asarray(names)
    return (
        array.shape == (width,)
        and array.dtype.kind in "OSU"
        and all(isinstance(item, str | bytes) for item in array)
    )


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
