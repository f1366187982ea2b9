"""Evidence in the names of features, where no column tells their kinds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd

from multiverse.errors import DatasetError

#: ``chr1:100-200`` and its spellings: a contig and two positions.
PEAK = re.compile(r"(?:chr)?[\w.]+(?::\d+-|-\d+-|:\d+:|_\d+_)\d+")
#: Marks that suppliers and tools put into names of antibodies, and no gene has.
PROTEIN = re.compile(
    r"(?i).*(?:total-?seq|anti-?(?:human|mouse)|antibody).*|(?:adt|prot)[-_. :].+|"
    r".+[-_. :](?:adt|prot)"
)
#: From this share of the features on, they are all taken for one kind; a few mean nothing.
_ALL, _SOME = 0.9, 0.02


def check_feature_names(names: pd.Index, path: Path) -> None:
    """Raise :class:`DatasetError` where names say that features are not (all) genes.

    A file whose features look like peaks or antibodies, and that says nothing of their kinds, is
    not taken as RNA.
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
            raise DatasetError(
                f"{path}: the features are named as {things} are ({example}), and no column of "
                "var tells their kind",
                remedy=f"Say what they are: --modality X={modality} (or X=rna, if they are genes)",
            )
        raise DatasetError(
            f"{path}: {len(found):,} of {len(names):,} features are named as {things} are "
            f"({example}), and no column of var tells the kinds",
            remedy="Write the kinds into var, and register the new file: "
            f"{_lines(path, pattern, kind)} (If all of them are genes: --modality X=rna)",
        )


def _lines(path: Path, pattern: re.Pattern[str], kind: str) -> str:
    program = (
        f"import anndata, re; d = anndata.read_h5ad({str(path)!r}); "
        f"d.var['feature_types'] = [{kind!r} if re.fullmatch({pattern.pattern!r}, name) "
        f"else 'Gene Expression' for name in d.var_names]; d.write_h5ad('with_kinds.h5ad')"
    )
    return f"python -c {shlex.quote(program)}"
