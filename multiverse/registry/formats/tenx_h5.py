"""HDF5 files of 10x Genomics' Cell Ranger and of the tools that write the same.

A matrix of features × cells, compressed by cells: as CSR of cells × features it is read in place.
Two layouts: ``/matrix`` with its ``features`` (Cell Ranger 3 and later; CellBender), and a group a
genome with ``genes`` and ``gene_names`` (before; CellBender, STARsolo's converters). Formats:
https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-h5-matrices
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

import h5py
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.formats.feature_names import check_feature_names
from multiverse.registry.formats.kinds import FeatureKinds, KindFilter
from multiverse.registry.frames import text_index
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import WHOLE, Candidate, Layout, SourceModality
from multiverse.registry.matrix import CompressedParts, CsrMatrix, Matrix
from multiverse.registry.modalities import map_modalities
from multiverse.registry.options import RegistrationOptions

_PARTS = frozenset({"barcodes", "data", "indices", "indptr", "shape"})
_KINDS, _GENES = "feature_types", "Gene Expression"


def find_matrices(source: Hdf5) -> list[h5py.Group]:
    """Return the groups at the top of a file that are 10x matrices: one, or one a genome."""
    found = []
    for name in source.names(source.file):
        group = source.group(source.file, name)
        if group is not None and set(source.names(group)) >= _PARTS:
            found.append(group)
    return found


def read_tenx(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read the tables of a 10x matrix; features are split by their type.

    Raises :class:`DatasetError` where the file has a matrix for each of several genomes, and none
    of them was chosen: their cells are not the same.
    """
    chosen = dict(options.modality_names)
    group = _choose_group(source, find_matrices(source), chosen)
    barcodes = _names(source, source.array(group, "barcodes"))
    var = _read_features(source, group)
    obs = pd.DataFrame(index=barcodes)
    matrix = partial(_open, source, group, (len(obs), len(var)))
    notes: list[str] = []
    if _KINDS in var and not {*var[_KINDS]} & {*chosen}:
        listed = FeatureKinds(_KINDS, var[_KINDS])
        if listed.are_none:
            var = var.drop(columns=_KINDS)
            shown = ", ".join(map(repr, listed.names[:3]))
            notes.append(f"what stands for the types of the features tells none: {shown}, …")
    if _KINDS not in var and not chosen:
        check_feature_names(var.index, source.path, is_anndata=False)
        notes.append("nothing tells the types of the features; they were taken as rna")
        chosen = {WHOLE: "rna"}
    split = _KINDS in var and WHOLE not in chosen
    kinds = FeatureKinds(_KINDS, var[_KINDS]) if split else None
    mapped = map_modalities(
        [WHOLE] if kinds is None else kinds.names,
        chosen,
        "feature type",
        sizes={} if kinds is None else kinds.sizes,
    )
    parts = []
    for modality in mapped:
        old = mapped.old_names[modality]
        columns = None if kinds is None else KindFilter(_KINDS, frozenset({old})).positions(var)
        parts.append(
            SourceModality(
                modality=modality,
                old_name=old,
                obs=obs,
                n_vars=len(var) if columns is None else len(columns),
                layers=(),
                candidates=partial(_candidates, Candidate(WHOLE, var, columns, matrix)),
            )
        )
    if kinds is not None:
        notes += kinds.left_out(mapped.left_out)
    notes += _genomes(var)
    return Layout(obs, tuple(parts), tuple(notes), left_out=mapped.left_out)


def _choose_group(source: Hdf5, groups: list[h5py.Group], chosen: dict[str, str]) -> h5py.Group:
    """Return the matrix to read; a genome that names it is taken out of ``chosen``."""
    if len(groups) == 1:
        return groups[0]
    names = [str(group.name).lstrip("/") for group in groups]
    named = [name for name in names if name in chosen]
    if len(named) != 1:
        ways = " or ".join(f"--modality {shlex.quote(f'{name}=rna')}" for name in names)
        raise DatasetError(
            f"{source.path} holds {len(names)} matrices, one for each genome: {', '.join(names)}",
            remedy=f"Choose one: {ways}",
        )
    modality = chosen.pop(named[0])
    chosen[WHOLE] = modality
    return groups[names.index(named[0])]


def _read_features(source: Hdf5, group: h5py.Group) -> pd.DataFrame:
    """Return the table of features as scanpy has it: symbols as names, and ``gene_ids``."""
    features = source.group(group, "features")
    if features is not None:
        place, names = features, {"name": "", "id": "gene_ids", "feature_type": _KINDS}
    else:
        place, names = group, {"gene_names": "", "genes": "gene_ids"}
    names["genome"] = "genome"
    present = set(source.names(place))
    symbols, ids, *_ = names
    if ids not in present:
        raise source.error(f"{place.name}/{ids} is missing")
    if symbols not in present:
        symbols = ids
    columns = {
        new: _names(source, source.array(place, old))
        for old, new in names.items()
        if old in present
    }
    index = columns.pop("", columns["gene_ids"])
    for name, values in columns.items():
        if len(values) != len(index):
            raise source.error(f"{place.name}: {len(index):,} names, but {len(values):,} {name}")
    var = pd.DataFrame(dict(columns), index=index)
    if features is None:
        var[_KINDS] = _GENES
    return var


def _names(source: Hdf5, dataset: h5py.Dataset) -> pd.Index:
    if dataset.ndim != 1 or dataset.dtype.kind not in "SO":
        raise source.error(f"{dataset.name} is not a list of names")
    return text_index(
        pd.Index(source.load(dataset), dtype=object), f"{source.path}: {dataset.name}"
    )


def _candidates(candidate: Candidate, layer: str | None) -> Iterator[Candidate]:  # noqa: ARG001
    yield candidate


def _open(source: Hdf5, group: h5py.Group, shape: tuple[int, int]) -> Matrix:
    declared = source.load(source.array(group, "shape")).ravel().tolist()
    if declared != [shape[1], shape[0]]:
        raise source.error(
            f"{group.name}/shape is {declared}, but there are {shape[1]:,} features and "
            f"{shape[0]:,} barcodes"
        )
    return CsrMatrix(CompressedParts(source, group, shape[0]), shape)


def _genomes(var: pd.DataFrame) -> list[str]:
    """Return a note where genes are of several genomes, as in mixtures of species."""
    if "genome" not in var:
        return []
    genes = (
        var["genome"] if _KINDS not in var else var["genome"][(var[_KINDS] == _GENES).to_numpy()]
    )
    found = [name for name in genes.unique() if name]
    return [f"rna: genes of {len(found)} genomes: {', '.join(found)}"] if len(found) > 1 else []
