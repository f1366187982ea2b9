"""Columns packed for colouring."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from multiverse.report.page.columns import MAX_NAMED, pack_column, palette


def unpack(content: dict[str, Any], kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(content["data"]), dtype=kind)


def test_categories_come_by_frequency() -> None:
    content = pack_column("label", pd.Series(["a", "b", "b", None, "c", "b", "c"])).content
    assert [(entry["name"], entry["count"]) for entry in content["entries"]] == [
        ("b", 3), ("c", 2), ("a", 1),
    ]  # fmt: skip
    assert unpack(content, "u1").tolist() == [2, 0, 0, 4, 1, 0, 1]
    assert content["missing"] == 1


def test_unused_categories_are_counted_as_nothing() -> None:
    values = pd.Series(pd.Categorical(["a", "a"], categories=["a", "b"]))
    assert len(pack_column("label", values).content["entries"]) == 1


def test_beyond_thirty_they_are_others() -> None:
    content = pack_column("clone", pd.Series([f"c{i % 1000:04}" for i in range(3000)])).content
    assert content["own"] == 30
    assert content["others"] == 970
    assert content["other_count"] == 2910
    assert len(content["entries"]) == MAX_NAMED
    codes = unpack(content, "u1")
    assert (codes < 30).sum() == 90
    assert codes.max() == MAX_NAMED


def test_numbers_keep_their_values() -> None:
    values = pd.Series([1.5, np.nan, -2.0, np.inf])
    content = pack_column("score", values).content
    np.testing.assert_array_equal(unpack(content, "<f4"), values.to_numpy(dtype="f4"))
    assert content["missing"] == 2
    assert (content["least"], content["most"]) == (-2.0, 1.5)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False, True], "category"),
        ([0, 1, 2, 1], "category"),
        (list(range(50)), "number"),
        ([0.1, 0.2], "number"),
        (["1", "2"], "category"),
    ],
)
def test_kind_follows_the_values(values: list[object], kind: str) -> None:
    assert pack_column("x", pd.Series(values)).content["kind"] == kind


def test_a_label_of_numbers_is_a_category() -> None:
    values = pd.Series(range(50))
    assert pack_column("cluster", values, category=True).content["kind"] == "category"


def test_a_column_without_values() -> None:
    assert pack_column("empty", pd.Series([np.nan, np.nan])).content["missing"] == 2
    assert pack_column("empty", pd.Series([None, None])).content["missing"] == 2


@pytest.mark.parametrize("count", [0, 1, 8, 9, 23, 30, 10_000])
def test_colours_differ(count: int) -> None:
    colours = palette(count)
    assert len(colours) == min(count, 30)
    assert len({colour.lower() for colour in colours}) == len(colours)
