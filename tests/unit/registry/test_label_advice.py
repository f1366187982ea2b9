"""Without labels it is said which columns could be them, and with which option."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multiverse.registry.column_facts import describe_columns
from multiverse.registry.column_roles import label_columns
from multiverse.registry.label_advice import groups_advice, label_advice

LACK = "No labels were given, so biology can't be scored."


def test_columns_are_named_with_their_groups_and_the_option() -> None:
    assert label_advice({"cell_type": 7, "my labels": 1}) == (
        f"{LACK} Columns that could be labels: cell_type (7 groups), my labels (1 group). "
        "Use one: --label-key cell_type"
    )
    assert label_advice({"my labels": 2}).endswith("--label-key 'my labels'")


def test_where_none_looks_like_labels_nothing_is_guessed() -> None:
    assert label_advice({}) == f"{LACK} No column looks like labels."
    assert label_advice({"a\x1b[2J": 3}) == f"{LACK} No column looks like labels."
    assert groups_advice({"stim": 2}) == (
        f"{LACK} No column looks like labels. Groups of cells are in stim (2 groups); "
        "if one holds labels: --label-key COLUMN"
    )


def test_clusters_batches_and_measurements_are_no_candidates() -> None:
    n = 120
    table = pd.DataFrame(
        {
            "leiden": np.arange(n) % 4,
            "batch": [f"b{i % 2}" for i in range(n)],
            "annotation": [f"t{i % 5}" for i in range(n)],
            "cell_type": [f"t{i % 3}" for i in range(n)],
            "mito": np.linspace(0, 1, n),
            "barcode_label": [f"c{i}" for i in range(n)],
        }
    )
    assert label_columns(describe_columns(table)) == {"cell_type": 3, "annotation": 5}
