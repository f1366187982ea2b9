"""How tests are dealt out to the workers of pytest-xdist.

Tests of one file share its fixtures, so they stay in one worker, one after the other. Tests that
carry an ``xdist_group`` go by that instead: one group of several files keeps apart from itself
what would disturb each other, several groups in a file let its parts run at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdist.scheduler import LoadGroupScheduling


class FilesAndGroups(LoadGroupScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out a group where a test has one, and otherwise a file."""

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return group.partition("::")[0] if group == nodeid else group


@dataclass(frozen=True)
class Order:
    """What is handed out first: places of tests, from the longest; all others follow."""

    places: Sequence[str]

    def rank(self, nodeid: str) -> int:
        """Return the number of the first place that a test lies in."""
        found = (number for number, place in enumerate(self.places) if nodeid.startswith(place))
        return next(found, len(self.places))


LONGEST_FIRST = Order(
    (
        "tests/science/",
        "tests/engine/test_inside.py",
        "tests/faults/",
        "tests/docs/test_pages.py",
        "tests/engine/",
        "tests/scenario/",
        "tests/hostile/",
        "tests/browser/",
        "tests/unit/conformance/",
    )
)
