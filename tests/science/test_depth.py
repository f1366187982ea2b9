"""The default of ``drop_depth`` is the one that the recorded comparison is for."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.models.depth import CASES, RESULT, verdict
from tests.departures import defaults


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RESULT.read_text())["rows"]
    return found


def test_the_default_follows_the_record() -> None:
    means = verdict(rows())
    assert defaults("pca")["drop_depth"] is (means[True] > means[False])


def test_the_record_is_of_all_sets_and_depth_is_left_out_where_that_is_said() -> None:
    assert {row["case"] for row in rows()} == {case.slug for case in CASES}
    alone = [row for row in rows() if row["modalities"] == "atac" and "mop" in row["case"]]
    assert len(alone) == 4
    for row in alone:
        assert (row["depth"] > 0.75) is not row["drop_depth"]


def test_the_default_weighting_is_no_worse_than_the_others_where_it_is_compared() -> None:
    """By more than its own noise: two standard deviations of k-means, 0.02 of purity."""
    joint = [row for row in rows() if row["weighting"]]
    for row in joint:
        if row["weighting"] == "variance":
            for other in joint:
                same = [row[name] == other[name] for name in ("case", "drop_depth")]
                if all(same):
                    noise = 2 * (row["nmi_sd"] + other["nmi_sd"])
                    assert row["nmi"] > other["nmi"] - max(noise, 0.02), (row, other)
                    assert row["purity"] > other["purity"] - 0.02, (row, other)
