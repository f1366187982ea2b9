"""Columns are guessed by name and by content, and never by one of them alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from multiverse.errors import DatasetError
from multiverse.registry.column_facts import ColumnKind, describe_column, describe_columns
from multiverse.registry.column_roles import (
    Role,
    best_batches,
    best_labels,
    guess,
    guesses,
)
from multiverse.registry.columns import choose_columns
from multiverse.registry.options import RegistrationOptions

N = 120
RANDOM = np.random.default_rng(0)


def groups(*names: Any, n: int = N) -> pd.Series:
    return pd.Series([names[number % len(names)] for number in range(n)], dtype=object)


CASES: dict[str, tuple[str, pd.Series, Role]] = {
    "batch": ("batch", groups("a", "b"), Role.BATCH),
    "numbered batch": ("Batch_ID", groups(1, 2, 3), Role.BATCH),
    "Seurat's origin": ("orig.ident", groups("run1", "run2"), Role.BATCH),
    "site": ("Site", groups("site1", "site2"), Role.BATCH),
    "modality's own": ("rna:library", groups("l1", "l2"), Role.BATCH),
    "donor": ("DonorID", groups("d1", "d2", "d3"), Role.DONOR),
    "sample": ("sample_id", groups("s1", "s2"), Role.DONOR),
    "cell type": ("cell_type", groups("B", "T", "NK"), Role.LABEL),
    "Azimuth": ("predicted.celltype.l2", groups("B", "CD4 TCM"), Role.LABEL),
    "atlas": ("author_cell_type", groups("B", "T"), Role.LABEL),
    "celltypist": ("majority_voting", groups("B", "T"), Role.LABEL),
    "named clusters": ("cluster", groups("0.1-naive", "4.4-FOS"), Role.LABEL),
    "Leiden": ("leiden", groups("0", "1", "2"), Role.CLUSTERS),
    "Seurat's clusters": ("RNA_snn_res.0.8", groups("0", "1"), Role.CLUSTERS),
    "nameless groups": ("tissue", groups("blood", "tumour"), Role.GROUPS),
    "yes or no": ("is_doublet", groups(True, False), Role.GROUPS),
    "constant batch": ("batch", groups("a"), Role.CONSTANT),
    "empty batch": ("batch", groups(None), Role.EMPTY),
    "depth named library": ("library_size", pd.Series(range(N)), Role.MEASURED),
    "score named cell type": (
        "predicted.celltype.score", pd.Series(RANDOM.random(N)), Role.MEASURED),
    "score of few values": ("batch_score", groups(0.5, 0.25), Role.MEASURED),
    "age of donors": ("donor_age", groups(20, 31), Role.GROUPS),
    "counts": ("n_genes", pd.Series(RANDOM.integers(200, 5000, N)), Role.MEASURED),
    "barcodes": ("sample_barcode", pd.Series([f"c{i}" for i in range(N)]), Role.NAMES),
    "labels of too few cells": ("cell_type", pd.Series([f"t{i % 60}" for i in range(N)]),
                                Role.NAMES),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_roles(case: str) -> None:
    name, values, role = CASES[case]
    for kind in (values, values.astype("category")):
        assert guess(describe_column(name, kind)).role is role


def test_a_batch_with_missing_values_is_not_offered() -> None:
    values = groups("a", "b")
    values[:7] = None
    table = pd.DataFrame({"batch": values, "donor": groups("d1", "d2")})
    found = guesses(describe_columns(table))
    assert found[0].role is Role.BATCH
    assert "7 cells have no value" in str(found[0].obstacle)
    assert [item.column.name for item in best_batches(found)] == ["donor"]


def test_the_plainest_label_comes_first() -> None:
    table = pd.DataFrame({"annotation": groups("B", "T"), "cell_type": groups("B", "T", "NK")})
    found = best_labels(guesses(describe_columns(table)))
    assert [item.column.name for item in found] == ["cell_type", "annotation"]


@pytest.mark.parametrize(
    ("values", "kind", "n_values", "n_missing", "rarest", "examples"),
    [
        (groups("a", "b", "b", None), ColumnKind.TEXT, 2, 30, 30, ("b", "a")),
        (groups(1.0, 2.0, np.nan), ColumnKind.WHOLE, 2, 40, 40, ("1", "2")),
        (groups(True, False).astype(bool), ColumnKind.YES_NO, 2, 0, 60, ("True", "False")),
        (pd.Series(np.linspace(0, 1, N)), ColumnKind.NUMBERS, N, 0, 1, ("0", "1")),
        (pd.Series([np.inf, 1.0] * 60), ColumnKind.NUMBERS, 2, 0, 60, ("inf", "1")),
        (pd.Series([["x"], {"y": 1}] * 60), ColumnKind.TEXT, 2, 0, 60, ("['x']", "{'y': 1}")),
        (pd.Series(pd.Categorical(["a"] * N, ["a", "unused"])), ColumnKind.TEXT, 1, 0, N, ("a",)),
        (groups("a", "b").astype("string"), ColumnKind.TEXT, 2, 0, 60, ("a", "b")),
        (pd.Series([None] * N, dtype=object), ColumnKind.EMPTY, 0, N, 0, ()),
    ],
    ids=["text", "whole", "yes-no", "numbers", "infinite", "unhashable", "unused", "string",
         "empty"],
)  # fmt: skip
def test_facts(
    values: pd.Series, kind: ColumnKind, n_values: int, n_missing: int, rarest: int,
    examples: tuple[str, ...],
) -> None:  # fmt: skip
    found = describe_column("x", values)
    assert (found.kind, found.n_values, found.n_missing) == (kind, n_values, n_missing)
    assert (found.rarest, found.examples) == (rarest, examples)


def test_a_column_that_is_not_there_is_answered_with_those_that_are() -> None:
    table = pd.DataFrame(
        {
            **{f"qc_{number}": RANDOM.random(N) for number in range(60)},
            "Cell_Type": groups("B", "T", "NK"),
            "donor": groups("d1", "d2"),
            "leiden": groups("0", "1"),
        }
    )
    with pytest.raises(DatasetError) as caught:
        choose_columns(table, ("rna",), RegistrationOptions(label_key="cell_typ"))
    assert "did you mean 'Cell_Type'?" in str(caught.value)
    remedy = str(caught.value.remedy)
    assert "Cell_Type (3 values), donor (2 values), leiden (2 values)" in remedy
    assert "and 60 more" in remedy
    assert "qc_" not in remedy
    for word in (item.partition(" (")[0] for item in remedy.partition(": ")[2].split(", ")):
        if word in table:
            choose_columns(table, ("rna",), RegistrationOptions(label_key=word))


def test_a_column_of_a_modality_is_found_by_its_plain_name() -> None:
    table = pd.DataFrame({"rna:celltype": groups("B", "T")})
    with pytest.raises(DatasetError, match="did you mean 'celltype'"):
        choose_columns(table, ("rna",), RegistrationOptions(label_key="cell_type"))


def test_a_table_without_columns_says_so() -> None:
    with pytest.raises(DatasetError) as caught:
        choose_columns(pd.DataFrame(index=range(3)), (), RegistrationOptions(batch_key="batch"))
    assert "leave --batch-key out" in str(caught.value.remedy)
