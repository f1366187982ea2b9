"""The commands that take a results folder, and what may become of each on a hostile one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.engine import DIES
from tests.hostile.forked import Ended
from tests.hostile.honest import ALONE, Honest

Arguments = Callable[[Honest, Path], Sequence[object]]


@dataclass(frozen=True)
class Command:
    """A command. ``codes``: how it may end, as its help and ``errors.py`` say."""

    name: str
    arguments: Arguments
    codes: frozenset[int]

    def run(self, honest: Honest, folder: Path, *, bare: bool = False) -> Ended:
        """Run it on a folder."""
        if self.name == "report" and not (folder / "figures").is_symlink():
            shutil.rmtree(folder / "figures", ignore_errors=True)  # they take a second each
        return honest.command(*self.arguments(honest, folder), bare=bare)

    def judge(self, ended: Ended) -> list[str]:
        """Return what is wrong with how it ended; empty if nothing."""
        last = ended.said.strip()[-600:]
        if ended.code is None:
            return [f"{self.name}: does not end: {last}"]
        found = []
        if ended.code not in self.codes:
            found.append(f"{self.name}: ends with {ended.code}: {last}")
        if "Traceback" in ended.said or "MemoryError" in ended.said:
            found.append(f"{self.name}: {last}")
        return found


def _usual(*codes: int) -> frozenset[int]:
    return frozenset({0, 5, *codes})


def _run(honest: Honest, folder: Path) -> Sequence[object]:
    """Of what is complete already, but where attempts are spoiled: there one is begun."""
    is_begun = (folder / "attempts").is_symlink() or not (folder / "plan.json").is_file()
    benchmark = honest.benchmark if is_begun else honest.whole
    return ("run", benchmark, "--output", folder, "--no-build", *ALONE)


def _again(honest: Honest, folder: Path) -> Sequence[object]:
    one = ("--models", "pca", "--dataset", "tiny", "--seeds", DIES)
    return ("run", *one, "--output", folder, "--no-build", *ALONE)


def _show(honest: Honest, folder: Path) -> Sequence[object]:
    return ("show", honest.published()[0].record.run_id, "--results", folder)


def _show_folder(honest: Honest, folder: Path) -> Sequence[object]:
    place = honest.published()[0].folder.relative_to(honest.results.folder)
    return ("show", folder / place, "--json")


def _show_failed(honest: Honest, folder: Path) -> Sequence[object]:
    return ("show", honest.failed().folder.parent.name, "--results", folder)


LISTING = Command("runs", lambda _, folder: ("runs", folder, "--json"), _usual())
READING = (
    Command("status", lambda _, folder: ("status", folder), _usual(1)),
    Command("show", _show, _usual(2)),
    Command("verify", lambda _, folder: ("verify", folder), _usual(1)),
    Command(
        "compare", lambda honest, folder: ("compare", honest.results.folder, folder), _usual(1)
    ),
    Command("api", lambda _, folder: ("api", folder), _usual()),
    Command("show a folder", _show_folder, _usual(2)),
    Command("status --json", lambda _, folder: ("status", folder, "--json"), _usual(1)),
    Command("show a failure", _show_failed, _usual(2)),
    Command("runs for people", lambda _, folder: ("runs", folder), _usual()),
)
CHANGING = (
    Command("run", _run, _usual(1)),
    Command(
        "evaluate", lambda _, folder: ("evaluate", folder, "--again", "--no-report"), _usual(1)
    ),
    Command("report", lambda _, folder: ("report", folder), _usual(1)),
    Command("run again", _again, _usual(1)),
    Command("track", lambda _, folder: ("track", folder), _usual(1, 2)),
    Command("clean", lambda _, folder: ("clean", folder, "--attempts", "--yes"), _usual(1)),
)
FIGURES = Command("figures", lambda _, folder: ("report", folder, "--figures"), _usual(1))
BY_NAME = {command.name: command for command in (*CHANGING, FIGURES)}
