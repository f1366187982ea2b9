"""A dry run changes nothing: neither a file, nor what a slug stands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiverse.api import preview
from multiverse.cli.main import main
from multiverse.registry.datasets import find_dataset
from multiverse.registry.objects import register_object
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.registration import register
from tests.conftest import write_small
from tests.scenario.conftest import Command, Finished
from tests.third_party import install_engine
from tests.unit.scoring.made import make_data

State = dict[str, tuple[int, int, bytes | str]]

ENGINE = """
    class Engine(BareEngine):
        name = "idle"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of a user who has registered ``small``, and has a file of the same name that differs.

    Everything is below one folder.
    """
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "engines"))
    for name in ("cache", "engines", "results", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "cache/history.jsonl").write_text("")
    install_engine(tmp_path / "engines", "idle", ENGINE)
    register(write_small(tmp_path / "small.h5ad"))
    write_small(tmp_path / "other.h5ad", seed=1)
    return tmp_path


def state(folder: Path) -> State:
    """Everything below a folder: mode, time of change and content."""
    found: State = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content: bytes | str = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """``multiverse …`` in this process."""

    def run(*arguments: object) -> Finished:
        code = main(list(map(str, arguments)))
        return Finished(code, *capfd.readouterr())

    return run


def run(command: Command, *arguments: object) -> Finished:
    return command("run", "--engine", "idle", "--dry-run", "--output", "../results", *arguments)


def of_file(place: Path) -> list[object]:
    return ["--models", "pca", "--input", place / "small.h5ad"]


def of_new_slug(place: Path) -> list[object]:
    return ["--models", "pca", "--input", place / "other.h5ad", "--batch-key", "donor"]


def of_moved_slug(place: Path) -> list[object]:
    (place / "other.h5ad").rename(place / "small.h5ad")
    return of_file(place)


def of_options(place: Path) -> list[object]:
    return [*of_file(place), "--batch-key", "donor"]


def of_slug(place: Path) -> list[object]:
    return ["--models", "pca", "--dataset", "small"]


def of_benchmark(place: Path) -> list[object]:
    file = place / "benchmark.yaml"
    file.write_text(
        "datasets:\n"
        "- {slug: small, path: other.h5ad, batch_key: donor}\n"
        "- {slug: new, path: other.h5ad}\n"
        "models: [pca]\n"
    )
    return [file]


WAYS: list[tuple[Callable[[Path], list[object]], list[str]]] = [
    (of_file, ["small is already registered from this file", "1 jobs: 1 to run"]),
    (of_new_slug, ["other: read for this preview only: the run registers it", "1 jobs: 1 to run"]),
    (of_moved_slug, ["small: stands for new content", "small: read for this preview only"]),
    (of_options, ["small: stands for new content, or for other options", "1 jobs: 1 to run"]),
    (of_slug, ["1 jobs: 1 to run"]),
    (of_benchmark, ["small: stands for new", "new: read for this preview only", "2 jobs: 2"]),
]


@pytest.mark.parametrize(("way", "said"), [pytest.param(*way, id=way[0].__name__) for way in WAYS])
def test_nothing_is_changed(
    way: Callable[[Path], list[object]],
    said: list[str],
    place: Path,
    command: Command,
) -> None:
    arguments = way(place)
    before = state(place)
    done = run(command, *arguments)
    assert done.code == 0, done.said
    assert [words for words in said if words not in done.said] == []
    assert state(place) == before


def test_a_home_that_is_not_there_is_not_made(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVERSE_HOME", str(place / "new home"))
    monkeypatch.setenv("MULTIVERSE_CACHE", str(place / "new cache"))
    (place / "results").rmdir()
    before = state(place)
    done = run(command, *of_file(place))
    assert done.code == 0, done.said
    assert state(place) == before


@pytest.mark.parametrize("more", [[], ["--run"]])
def test_a_demo_writes_no_file(more: list[str], place: Path, command: Command) -> None:
    before = state(place)
    words = ("demo", "--cells", 60, "--dry-run", "--engine", "idle", *more)
    done = command(*words)
    assert done.code == 0, done.said
    assert state(place) == before
    assert ("nothing was started" in done.said) == bool(more)
    if not more:
        assert (
            "run it: multiverse run --models pca mofa --input demo-data/simulated.h5mu" in done.said
        )


def test_what_is_previewed_is_what_is_run(place: Path, command: Command) -> None:
    """A run of the same content has the same id, whether it was registered before or after."""
    new = of_new_slug(place)
    first = json.loads(run(command, *new, "--json").out)
    register(place / "other.h5ad", options=RegistrationOptions(batch_key="donor"))
    assert json.loads(run(command, *new, "--json").out) == first


def test_a_file_that_can_not_be_read_leaves_nothing(
    place: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    (place / "bad.h5ad").write_bytes(b"nothing")
    before = state(place)
    done = run(command, "--models", "pca", "--input", place / "bad.h5ad")
    assert done.code == 3
    assert list((place / "tmp").iterdir()) == []
    before.pop(str(place / "tmp"))
    after = state(place)
    after.pop(str(place / "tmp"))
    assert after == before


@pytest.mark.parametrize("what", ["data", "record", "current"])
def test_a_damaged_dataset(what: str, place: Path, command: Command) -> None:
    """It is told by its own name, and is registered anew where the file is given."""
    dataset = find_dataset("small")
    damaged = {
        "data": dataset.data,
        "record": dataset.record_file,
        "current": dataset.folder.with_name("current"),
    }[what]
    damaged.unlink()
    damaged.write_text("") if what == "record" else None
    before = state(place)
    anew = run(command, *of_file(place))
    assert anew.code == 0, anew.said
    by_slug = run(command, *of_slug(place))
    assert by_slug.code in (2, 3)
    assert "multiverse-preview" not in by_slug.said
    assert state(place) == before


def test_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(place / "engines"))
    data = make_data(60)
    register_object(make_data(40), slug="dataset")
    before = state(place)
    files = (place / "other.h5ad", place / "small.h5ad", "small")
    named: dict[str, Any] = {"name": "dataset"}
    for dataset, more in ((data, named), *((file, {}) for file in files)):
        (job,) = preview("pca", dataset, place / "results", engine="idle", **more)
        assert job.prospect == "to run"
        assert state(place) == before
    assert find_dataset("dataset").record.n_obs == 40
