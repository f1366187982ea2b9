"""Evidence in the names of features, where no column tells their kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.layout import UnnamedKind
from multiverse.registry.pasted import literal, python_line

#: The names of chromosomes and unplaced scaffolds.
CONTIG = r"(?:chr[\w.]*?|\d{1,2}|[XYM]|MT|(?:GL|KI|JH)[\w.]*?)"
#: ``chr1:100-200`` and its spellings: a contig and two positions.
PEAK = re.compile(rf"[\w.]+:\d+-\d+|{CONTIG}[-:_]\d+[-:_]\d+")
#: Marks that suppliers and tools put into names of antibodies, and no gene has.
PROTEIN = re.compile(
    r"(?i).*(?:total-?seq|anti-?(?:human|mouse)|antibody).*|(?:adt|prot)[-_. :].+|"
    r".+[-_. :](?:adt|prot)|.+-[ACGT]{10,}"
)
#: From this share of the features on, they are all taken for one kind; a few mean nothing.
_ALL, _SOME = 0.9, 0.02


def check_feature_names(names: pd.Index, path: Path, *, is_anndata: bool = True) -> None:
    """Raise :class:`DatasetError` where names say that features are not (all) genes.

    It is an :class:`~multiverse.registry.layout.UnnamedKind` where all are of one other kind.

    A file whose features look like peaks or antibodies, and that says nothing of their kinds, is
    not taken as RNA. ``is_anndata``: whether the next step may be lines for an AnnData file.
    """
    for pattern, modality, kind, things in (
        (PEAK, "atac", "Peaks", "peaks"),
        (PROTEIN, "adt", "Antibody Capture", "antibodies"),
    ):
        found = pd.Index([name for name in names if pattern.fullmatch(name)])
        if len(found) <= _SOME * len(names) and len(found) < 5:
            continue
        example = f"such as {str(found[0])!r:.60}"
        if len(found) >= _ALL * len(names):
            raise UnnamedKind(
                f"{path}: the features are named as {things} are ({example}), and nothing "
                "tells their kind",
                modality=modality,
                remedy=f"Say what they are: --modality X={modality} (or X=rna, if they are genes)",
            )
        how = (
            f'Write the kinds ({kind}, Gene Expression) into var["feature_types"]: '
            f"{_lines(path, pattern, kind)}"
            if is_anndata
            else f"Write the kinds ({kind}, Gene Expression) into the list of features, as its "
            "third column."
        )
        raise DatasetError(
            f"{path}: {len(found):,} of {len(names):,} features are named as {things} are "
            f"({example}), and nothing tells their kinds",
            remedy=f"{how} If all of them are genes: --modality X=rna",
        )


def _lines(path: Path, pattern: re.Pattern[str], kind: str) -> str:
    target = path.with_name(f"{path.stem}_kinds.h5ad")
    program = (
        f"import anndata, re; d = anndata.read_h5ad({literal(path)}); "
        f'd.var["feature_types"] = [{literal(kind)} if re.fullmatch('
        f'{literal(pattern.pattern)}, name) else "Gene Expression" for name in d.var_names]; '
        f"d.write_h5ad({literal(target)})"
    )
    return python_line(program)
