"""Warnings of runs: one mark, each warning once, with the seeds that it holds for."""

from __future__ import annotations

from multiverse.runs.warned import MARK, RunWarnings, warnings_of
from tests.unit.report.made import make_record

COLLAPSED = "the posterior collapsed: 0 of 20 dimensions are active"


def test_without_a_warning_there_is_no_mark() -> None:
    found = warnings_of([make_record("mofa", seed) for seed in (0, 1)])
    assert found == warnings_of([]) == RunWarnings()
    assert (found.mark, found.beside("mofa")) == ("", "mofa")


def test_one_run_says_it_in_its_own_words() -> None:
    found = warnings_of([make_record("totalvi", warnings=(COLLAPSED, "look at it.", COLLAPSED))])
    assert found.words == (f"T{COLLAPSED[1:]}.", "Look at it.")
    assert found.beside("totalvi") == f"totalvi {MARK}"


def test_of_several_seeds_those_that_warn_are_named() -> None:
    records = [
        make_record("totalvi", 2, warnings=("all do", COLLAPSED)),
        make_record("totalvi", 0, warnings=("all do", COLLAPSED)),
        make_record("totalvi", 1, warnings=("all do", "one does!")),
    ]
    assert warnings_of(records).words == (
        "All 3 seeds: All do.",
        f"Seeds 0, 2: T{COLLAPSED[1:]}.",
        "Seed 1: One does!",
    )
