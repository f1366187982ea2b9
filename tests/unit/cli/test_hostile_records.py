"""Records of others, with anything in any of their fields: no command fails, or obeys them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multiverse.cli.main import main

OLD = Path(__file__).parents[2] / "data" / "results-1.0"
PCA = "pbmc/pca/6ef5b5a0f4eb4b21/run.json"
FAILED = "attempts/647fd79ef35b866d"
ESCAPES = "\x1b[31mred\x07\u202egnp\x9b31m\x7f"
NUMBERS = ("NaN", "inf", float("nan"), float("inf"), -1, -1e300, 1e308, 10**30, 10**400)
OTHERS = (ESCAPES, "a\nb\rc", "[bold]m[/bold][link=file:///x]", ["x"], {"y": 1}, None, True,
          "../../x", "x" * 3000, "", 0, 0.5)  # fmt: skip
FILES = (PCA, "pbmc/scores.json", "plan.json", f"{FAILED}/1/run.json", f"{FAILED}/2/started.json")
#: Fields that hold any text.
_FREE = (
    "message", "model_version", "version", "isolation", "platform", "processor", "tag", "name",
    "digest", "title", "description", "detail", "reason", "finished_at", "experiment",
)  # fmt: skip
READERS = (["runs"], ["runs", "--json"], ["status"], ["status", "--json"], ["verify"])


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with complete runs and scores, a failure, and an attempt that was left."""
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "results"
    shutil.copytree(OLD, folder)
    left = folder / FAILED / "2"
    (left / "output").mkdir(parents=True)
    record = json.loads((folder / FAILED / "1" / "run.json").read_text())
    record.update(attempt=2, state="running")
    begun = {"record": record, "data": "/x", "job_spec": "{}"}
    (left / "started.json").write_text(json.dumps(begun))
    return folder


def fields(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs: list[tuple[Any, Any]] = list(enumerate(node)) if isinstance(node, list) else []
    for name, value in [*node.items()] if isinstance(node, dict) else pairs:
        yield (*way, name)
        yield from fields(value, (*way, name))


def changed(text: str, way: tuple[Any, ...], value: Any) -> str:
    content = node = json.loads(text)
    for name in way[:-1]:
        node = node[name]
    node[way[-1]] = value
    return json.dumps(content)


class Looks:
    """Runs commands, and holds what they print against what no terminal obeys."""

    def __init__(self, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._errors = cache / "errors"
        self._capsys = capsys

    def at(self, *arguments: object) -> str:
        """Return what a command prints, which may end with any of its own exit codes."""
        code = main([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        assert code in (0, 1, 2, 5), said
        logs = list(self._errors.glob("*")) if self._errors.exists() else []
        assert not logs, logs[0].read_text()
        bad = {sign for sign in said.out + said.err if not sign.isprintable() and sign != "\n"}
        assert not bad, (arguments, bad)
        if "--json" in arguments and said.out:
            json.loads(said.out, parse_constant=_not_json)
        return said.out + said.err


def _not_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.fixture
def looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Looks:
    return Looks(tmp_path / "cache", capsys)


@pytest.mark.parametrize("file", FILES)
def test_any_value_in_any_field(results: Path, looks: Looks, file: str) -> None:
    """Of all pairs, those of a walk that meets every field and every value."""
    path = results / file
    text = path.read_text()
    values = (*NUMBERS, *OTHERS)
    for number, way in enumerate(list(fields(json.loads(text)))[:200]):
        path.unlink()
        path.write_text(changed(text, way, values[number % len(values)]))
        command = READERS[number % len(READERS)]
        looks.at(*command[:1], results, *command[1:])
        if number % 4 == 0:
            looks.at("show", "6ef5", "--results", results, *["--json"][: number % 8 // 4])
            looks.at("show", "647f", "--results", results)


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: f"{value!s:.12}")
@pytest.mark.parametrize(
    "way",
    [("usage", "wall_seconds"), ("usage", "peak_memory_bytes"), ("n_obs",)],
    ids=str,
)
def test_a_number_that_is_none_hides_its_own_record_only(
    results: Path, looks: Looks, way: tuple[str, ...], value: Any
) -> None:
    path = results / PCA
    text = path.read_text()
    path.unlink()
    path.write_text(changed(text, way, value))
    said = looks.at("runs", results)
    assert "mofa" in said
    assert f"{PCA} is not a run's record" in said.replace("\n", "")
    assert "1 done" in looks.at("status", results)


def test_every_text_at_once(results: Path, looks: Looks) -> None:
    """Names of a stranger, in all that is printed, drawn or exported."""
    for file in FILES:
        path = results / file
        text = path.read_text()
        for way in fields(json.loads(text)):
            node = json.loads(text)
            for name in way:
                node = node[name]
            if isinstance(node, str) and way[-1] in _FREE:
                text = changed(text, way, node + ESCAPES)
        path.unlink()
        path.write_text(text)
    for command in (*READERS, ["report"], ["report", "--json"], ["clean", "--attempts"],
                    ["clean", "--attempts", "--json"]):  # fmt: skip
        looks.at(*command[:1], results, *command[1:])
    for arguments in (("show", "6ef5"), ("show", "647f"), ("show", "6ef5", "--json")):
        assert "red" in looks.at(*arguments, "--results", results)
    for more in ((), ("--all",), ("--json",)):
        looks.at("compare", results, OLD, *more)
