"""Names in a record are not places: what a folder says of itself never leads anywhere else.

Whatever disagrees with where it lies is named as damaged, by every command, and hides only itself.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pytest

from tests.hostile.canary import Canary
from tests.hostile.commands import CHANGING, LISTING, READING
from tests.hostile.engine import DIES, LEFT, write_output
from tests.hostile.honest import ALONE, DATASET, Honest

#: Filled in by the test: the way to somebody else's results of the same dataset.
RELATIVE, ABSOLUTE = "<relative>", "<absolute>"
NAMES = (RELATIVE, ABSOLUTE, "a/b", "", ".", "..", "x" * 300, "n\0ul", "UPPER", "other", None, 7)
IDS = (*NAMES[:-3], "0" * 16, "A" * 16, "0" * 15, None)
NUMBERS = (0, -1, 2, 10**30, "1/../1", None)


@dataclass(frozen=True)
class Said:
    """A value in a file. ``file``: its place in the folder; ``field``: the way to the value."""

    file: str
    field: tuple[str | int, ...]
    value: Any

    def __str__(self) -> str:
        return f"{self.file}-{'.'.join(map(str, self.field))}-{str(self.value)[:12]!r}"


#: By these names the parts of the honest folder are found.
RUN, FAILED, BEGUN = "run", "failed", "begun"


def of_records() -> Iterator[Said]:
    for file in (RUN, FAILED):
        # The place of an attempt does not say of which dataset and model it is.
        names = NAMES if file == RUN else [name for name in NAMES if name != "other"]
        for field, values in (("dataset", names), ("model", names), ("run_id", IDS)):
            yield from (Said(file, (field,), value) for value in values)
        if file == FAILED:  # a published run has no number in its path
            yield from (Said(file, ("attempt",), value) for value in NUMBERS)


def of_other_files() -> Iterator[Said]:
    for field, values in (("dataset", NAMES), ("run_id", IDS), ("attempt", NUMBERS)):
        yield from (Said(BEGUN, ("record", field), value) for value in values)
    yield Said(BEGUN, ("data",), ABSOLUTE)
    for field in ("run_id", "dataset", "model", "name"):
        yield from (Said("plan.json", ("jobs", 0, field), value) for value in IDS)
    yield from (Said(f"{DATASET}/scores.json", ("dataset",), value) for value in NAMES)
    yield from (Said("evaluation", ("request", "dataset"), value) for value in NAMES)
    yield from (Said("evaluation", ("request", "runs", 0), value) for value in IDS)


def place(honest: Honest, said: Said) -> Path:
    """The file, from the results folder on."""
    found = {
        RUN: honest.published()[0].folder / "run.json",
        FAILED: honest.failed().record,
        BEGUN: honest.begun().started,
        "evaluation": next(honest.results.evaluations.glob("*/*/started.json")),
    }
    path = found.get(said.file, honest.results.folder / said.file)
    return path.relative_to(honest.results.folder)


def write(said: Said, path: Path, elsewhere: Path) -> None:
    """Let the file say so."""
    value = said.value
    if value == RELATIVE:
        value = os.path.relpath(elsewhere, path.parents[len(said.field)])
    elif value == ABSOLUTE:
        value = str(elsewhere)
    content = json.loads(path.read_bytes())
    inner = content
    for name in said.field[:-1]:
        inner = inner[name]
    inner[said.field[-1]] = value
    path.chmod(0o644)
    path.write_text(json.dumps(content))


def check(number: int, honest: Honest, canary: Canary, copy: Path) -> list[str]:
    """Let commands meet the copy, in turn; returns what is wrong."""
    wrong = []
    turns = [READING[number % len(READING)]]
    if number % 2:
        turns.append(CHANGING[number // 2 % len(CHANGING)])
    for command in turns:
        wrong += command.judge(command.run(honest, copy))
        wrong += [f"{command.name}: the canary: {what}" for what in canary.touched()]
    return wrong


def listed(honest: Honest, copy: Path) -> tuple[set[str], str]:
    """The ids of the runs that are listed, and what is said beside it."""
    ended = LISTING.run(honest, copy)
    assert not LISTING.judge(ended)
    return {record["run_id"] for record in json.loads(ended.out)}, ended.err


def all_runs(honest: Honest) -> set[str]:
    """What is listed of the honest folder."""
    runs = {run.record.run_id for run in honest.published()}
    return runs | {honest.failed().folder.parent.name}


@pytest.mark.parametrize(("number", "said"), list(enumerate(of_records())), ids=str)
def test_a_record_of_another_place(
    number: int, said: Said, honest: Honest, canary: Canary, copy: Path
) -> None:
    own = place(honest, said)
    write(said, copy / own, canary.folder / DATASET)
    now, notes = listed(honest, copy)
    assert own.parts[-2 if said.file == RUN else -3] not in now
    assert len(all_runs(honest) - now) == 1
    assert str(own) in notes.replace("\n", "")
    assert not check(number, honest, canary, copy)


@pytest.mark.parametrize(("number", "said"), list(enumerate(of_other_files())), ids=str)
def test_names_in_the_files_beside_the_records(
    number: int, said: Said, honest: Honest, canary: Canary, copy: Path
) -> None:
    write(said, copy / place(honest, said), canary.folder / DATASET)
    now, _ = listed(honest, copy)
    assert now == all_runs(honest)
    assert not check(number, honest, canary, copy)


@pytest.mark.parametrize("name", ["../x", "/etc/hostname", "a/b", "", "..", "a\0b"])
def test_files_that_a_record_names(name: str, honest: Honest, canary: Canary, copy: Path) -> None:
    own = honest.published()[0].folder.relative_to(honest.results.folder) / "run.json"
    content = json.loads((copy / own).read_bytes())
    sums = dict(content["checksums"])
    (copy / own).chmod(0o644)
    for number, names in enumerate(({**sums, name: "sha256:0"}, {name: sums["run.log"]})):
        (copy / own).write_text(json.dumps({**content, "checksums": names}))
        assert not check(number, honest, canary, copy)


@pytest.mark.parametrize("own", [True, False])
def test_the_data_of_an_attempt_that_ended_alone(
    own: bool, honest: Honest, canary: Canary, copy: Path
) -> None:
    """They are read to judge what it wrote; any other file that is named is not."""
    begun = copy / place(honest, Said(BEGUN, (), None)).parent
    data = Path(json.loads((begun / "started.json").read_text())["data"])
    write_output(data, begun / "output", seed=DIES)
    if not own:
        write(Said(BEGUN, ("data",), ABSOLUTE), begun / "started.json",
              canary.folder / DATASET / "embeddings.h5ad")  # fmt: skip
    run_id = begun.parent.name
    ended = honest.command(
        "run", honest.whole, "--output", copy, "--no-build", *ALONE, environment={LEFT: run_id}
    )
    assert ended.code == 0, ended.said
    assert (run_id in {run.parent.name for run in copy.glob("tiny/pca/*/run.json")}) is own
    assert not canary.touched()


@pytest.mark.parametrize("dataset", ["../tiny", "other", ""])
def test_layouts_of_another_dataset(
    dataset: str, honest: Honest, canary: Canary, copy: Path
) -> None:
    with h5py.File(copy / DATASET / "embeddings.h5ad", "r+") as file:
        node = file["uns/multiverse/dataset"]
        kinds = dict(node.attrs)
        del file["uns/multiverse/dataset"]
        file["uns/multiverse/dataset"] = dataset
        file["uns/multiverse/dataset"].attrs.update(kinds)
    ended = honest.command("report", copy)
    assert ended.code in (0, 5), ended.said
    assert "it is of another dataset" in (copy / "report.html").read_text()
    assert not canary.touched()


def test_a_run_that_was_copied_elsewhere_can_be_shown(honest: Honest, tmp_path: Path) -> None:
    """By the folder's own name; what lies about it is nobody's attempts."""
    run = honest.published()[0]
    shutil.copytree(run.folder, tmp_path / "mine")
    ended = honest.command("show", tmp_path / "mine", "--json")
    assert ended.code == 0, ended.said
    assert json.loads(ended.out)["run_id"] == run.record.run_id


@pytest.mark.parametrize("field", ["dataset", "model", "run_id"])
@pytest.mark.parametrize("name", ["../x", "/x", "", "n\0ul", "x" * 300])
def test_a_run_elsewhere_that_names_places_is_damaged(
    field: str, name: str, honest: Honest, tmp_path: Path
) -> None:
    shutil.copytree(honest.published()[0].folder, tmp_path / "mine")
    write(Said(RUN, (field,), name), tmp_path / "mine" / "run.json", tmp_path)
    ended = honest.command("show", tmp_path / "mine")
    assert ended.code == 5, ended.said
    assert field in ended.said
