"""Whatever stands in a file's place, every command ends in a word; nobody else's file is touched.

Each kind of thing in each place meets the listing, one command that reads and, in three of eight
cases, one that writes: chosen so that each command meets every kind and every place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.canary import OPENED, READ, Canary
from tests.hostile.commands import BY_NAME, CHANGING, LISTING, READING, Command
from tests.hostile.honest import Honest
from tests.hostile.kinds import KINDS, Kind, remove
from tests.hostile.places import PARTS, Part


@dataclass(frozen=True)
class Case:
    """A kind of thing in the place of a part, and the commands that meet it."""

    part: Part
    kind: Kind
    commands: tuple[Command, ...]
    bare: bool

    def __str__(self) -> str:
        return f"{self.part.name}-{self.kind.name}"


def cases() -> Iterator[Case]:
    for row, part in enumerate(PARTS):
        for column, kind in enumerate(KINDS):
            fits = kind.of_folders if part.is_folder else kind.of_files
            if kind.content and not part.is_parsed:
                fits = False
            if not fits or (kind.privileged and os.geteuid() != 0):
                continue
            place = row + column
            commands: tuple[Command, ...] = (READING[place % len(READING)],)
            if place % 4 == 1:
                commands += (BY_NAME[part.reader],)
            elif place % 8 == 3:
                commands += (CHANGING[place // 8 % len(CHANGING)],)
            yield Case(part, kind, commands, kind.bare or bool(place // 2 % 2))


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_a_thing_in_a_place(case: Case, honest: Honest, canary: Canary, copy: Path) -> None:
    own = case.part.path(honest).relative_to(honest.results.folder)
    path, lookalike = copy / own, canary.folder / own
    put(case, path, lookalike)
    canary.settle()
    wrong = []
    allowed = OPENED if os.geteuid() == 0 else OPENED | READ
    for command in (LISTING, *case.commands):
        ended = command.run(honest, copy, bare=case.bare)
        wrong += command.judge(ended)
        touched = canary.touched(allowed if case.kind.known_by_opening else 0)
        wrong += [f"{command.name}: the canary: {what}" for what in touched]
        if command is LISTING:
            wrong += unlisted(honest, own, ended.out)
    remove(path) if path.is_symlink() or not path.is_dir() else None
    assert not wrong, "\n".join(wrong)


def put(case: Case, path: Path, lookalike: Path) -> None:
    """Put the thing there."""
    if not case.kind.spoils:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(path)
    elif not path.exists():
        path.mkdir() if case.part.is_folder else path.touch()
    case.kind.put(path, lookalike)


def unlisted(honest: Honest, spoiled: Path, said: str) -> list[str]:
    """Runs that are not listed any more, although nothing of theirs is spoiled."""
    places = [run.folder for run in honest.published()] + [honest.failed().folder]
    records = [place.relative_to(honest.results.folder) / "run.json" for place in places]
    whole = {record.parts[-2 if record.parts[0] != "attempts" else -3] for record in records
             if spoiled not in (record, *record.parents)}  # fmt: skip
    try:
        listed = {record["run_id"] for record in json.loads(said)}
    except ValueError:
        return [f"runs: no JSON: {said[-200:]}"]
    return [f"runs: {run_id} is not listed" for run_id in sorted(whole - listed)]
