"""Files of a results folder that say anything at all: every command ends, in bounds, in a word."""

from __future__ import annotations

import copy as copies
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.canary import Canary
from tests.hostile.commands import CHANGING, LISTING, READING, Command
from tests.hostile.honest import DATASET, Honest

#: Examples of each file; more of them by hand: HOSTILE_EXAMPLES=2000.
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "30"))
BY_NAME = {command.name: command for command in (LISTING, *READING, *CHANGING)}

WORDS = (
    "", "../..", "/dev/zero", "\0", "\x1b]0;title\x07", "[red]", "{0}", "%s", "\u202e", "x" * 9999,
    "9999-99-99T00:00:00+99:99", "0001-01-01T00:00:00+14:00", "1" * 400, "\ud800",
)  # fmt: skip
texts = st.one_of(st.text(max_size=30), st.sampled_from(WORDS))
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("-inf")]),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Target:
    """A file, and the commands that read it."""

    name: str
    find: Callable[[Honest], Path]
    commands: tuple[str, ...]


TARGETS = (
    Target(
        "run.json",
        lambda honest: honest.published()[0].folder / "run.json",
        ("runs", "runs for people", "status", "show", "show a folder", "verify", "compare", "api"),
    ),
    Target(
        "a failure's run.json",
        lambda honest: honest.failed().record,
        ("runs", "status", "show a failure", "status --json"),
    ),
    Target(
        "scores.json",
        lambda honest: honest.results.scores(DATASET),
        ("compare", "api"),
    ),
    Target("plan.json", lambda honest: honest.results.plan, ("status", "status --json")),
    Target("started.json", lambda honest: honest.begun().started, ("status", "status --json")),
    Target("live.json", lambda honest: honest.begun().live, ("status", "status --json")),
)
#: What takes a second has fewer examples.
SLOW = (
    Target("run.json", TARGETS[0].find, ("report", "run", "evaluate")),
    Target("scores.json", TARGETS[2].find, ("report", "evaluate", "run")),
    Target("started.json", TARGETS[4].find, ("run", "clean")),
    Target(
        "an evaluation's started.json",
        lambda honest: next(honest.results.evaluations.glob("*/*/started.json")),
        ("evaluate",),
    ),
)


def ways(content: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a file."""
    if isinstance(content, dict):
        inner = list(content.items())
    elif isinstance(content, list):
        inner = list(enumerate(content))
    else:
        inner = []
    return [way, *(found for name, value in inner for found in ways(value, (*way, name)))]


@st.composite
def spoiled(draw: st.DrawFn, honest: str) -> bytes:
    """An honest file with a few values that are not, or anything else."""
    kind = draw(st.sampled_from(["values", "values", "values", "any", "bytes", "twice"]))
    if kind == "any":
        return json.dumps(draw(anything)).encode()
    if kind == "bytes":
        content = bytearray(honest.encode())
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        return bytes(content)
    if kind == "twice":  # the same key again, with another value
        key = draw(st.sampled_from(sorted(json.loads(honest))))
        more = f", {json.dumps(key)}: {json.dumps(draw(anything))}}}"
        return (honest.rstrip().removesuffix("}") + more).encode()
    changed = json.loads(honest)
    for _ in range(draw(st.integers(1, 3))):
        changed = _changed(draw, changed)
    return json.dumps(changed).encode()


def _changed(draw: st.DrawFn, content: Any) -> Any:
    *way, last = draw(st.sampled_from(ways(content)[1:] or [(None,)]))
    if last is None or not isinstance(content, dict | list):
        return draw(anything)
    changed = copies.deepcopy(content)
    inner = changed
    for name in way:
        inner = inner[name]
    inner[last] = draw(anything)
    return changed


def fuzz(target: Target, examples: int, honest: Honest, canary: Canary, copy: Path) -> None:
    """Let each command of a target meet as many examples of its file."""
    path = copy / target.find(honest).relative_to(honest.results.folder)
    text = path.read_text()
    path.chmod(0o644)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(content=spoiled(text), name=st.sampled_from(target.commands))
    def one(content: bytes, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)  # an interrupted attempt is settled
        path.write_bytes(content)
        command: Command = BY_NAME[name]
        wrong = command.judge(command.run(honest, copy)) + canary.touched()
        assert not wrong, "\n".join(wrong)

    one()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_only_read(target: Target, honest: Honest, canary: Canary, copy: Path) -> None:
    fuzz(target, EXAMPLES, honest, canary, copy)


@pytest.mark.parametrize("target", SLOW, ids=lambda target: target.name)
def test_what_is_acted_on(target: Target, honest: Honest, canary: Canary, copy: Path) -> None:
    fuzz(target, EXAMPLES // 5, honest, canary, copy)
