"""What the evaluator has said, over several starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiverse.contract.evaluation import (
    BeginLine,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
)
from multiverse.contract.scores import Frozen, Reason
from multiverse.events import silent
from multiverse.scoring.collected import Collected, LineFollower
from tests.unit.scoring.scripted import METRICS

NAMES = tuple(metric.name for metric in METRICS)


def said(collected: Collected, *lines: Frozen) -> Collected:
    for line in lines:
        assert collected.add(line.model_dump_json().encode()) == line
    return collected


def sheet() -> SheetLine:
    return SheetLine(
        n_obs=3, modalities={}, metrics=METRICS, controls=("random",), versions={}, n_steps=1
    )


def score(metric: str, value: float | None = 0.5, member: str = "a") -> ScoreLine:
    reason = None if value is not None else Reason.ONE_CLASS
    return ScoreLine(member=member, metric=metric, value=value, reason=reason)


def test_what_has_begun_and_not_ended() -> None:
    collected = said(
        Collected(),
        sheet(),
        BeginLine(member="a", metric="first_bio"),
        BeginLine(member="b", metric="mixing"),
        score("first_bio"),
    )
    assert collected.begun == {"b": "mixing"}


def test_what_is_lacking_is_known_once_the_metrics_are() -> None:
    collected = Collected()
    assert collected.lacking(["a"], {}) == {}
    said(collected, sheet(), score("first_bio"), score("mixing", None))
    lacking = collected.lacking(["a", "b", "c"], {"c": ("seed_stability",)})
    assert lacking == {
        "a": ("second_bio", "kept", "seed_stability"),
        "b": NAMES,
        "c": ("seed_stability",),
    }
    said(collected, *(score(name) for name in NAMES))
    assert collected.lacking(["a"], {}) == {}


def test_later_lines_replace_earlier_ones() -> None:
    collected = said(Collected(), score("mixing", 0.1), score("mixing", 0.2))
    assert collected.lines["a"]["mixing"].value == 0.2
    said(
        collected,
        MemberLine(member="a", neighbours_seconds=2.0),
        MemberLine(member="a", neighbours_seconds=0.5),
        UmapLine(member="a", seconds=1.0),
    )
    assert collected.neighbours == {"a": 2.0}
    assert collected.laid == {"a"}


def test_what_is_lost_can_be_forgotten() -> None:
    collected = said(Collected(), sheet(), score("first_bio"), score("mixing", None))
    collected.lose("a", "kept", "memory ran out")
    (lost,) = collected.lost()
    assert (lost.metric, lost.reason, lost.detail) == (
        "kept", Reason.EVALUATOR_FAILED, "memory ran out",
    )  # fmt: skip
    collected.forget([lost])
    assert collected.lost() == []
    assert "kept" in collected.lacking(["a"], {})["a"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no json",
        b"[]",
        b'{"kind": "nothing"}',
        b'{"kind": "score", "member": "a", "metric": "b"}',
        b'{"kind": "score", "member": "a", "metric": "b", "value": NaN}',
        b'{"kind": "score", "member": "a", "metric": "b", "value": 1e999}',
        b'{"kind": "score", "member": "a", "metric": "b", "value": null, "reason": "a whim"}',
        b'{"kind": "umap", "member": 3, "seconds": 0}',
        b'\xff\xfe{"kind": "begin"}',
    ],
)
def test_what_is_no_line_is_refused(text: bytes) -> None:
    collected = Collected()
    with pytest.raises(ValueError, match="no line of scores"):
        collected.add(text)
    assert collected == Collected()


def test_a_newer_evaluator_may_say_more() -> None:
    collected = Collected()
    collected.add(b'{"kind": "begin", "member": "a", "metric": "b", "mood": "good"}')
    assert collected.begun == {"a": "b"}


def test_what_is_there_is_not_lost() -> None:
    """A line that is said twice, or too late, costs no value."""
    begin = BeginLine(member="a", metric="mixing")
    collected = said(Collected(), sheet(), begin, score("mixing"), begin)
    assert collected.begun == {}
    collected.lose("a", "mixing", "it was killed")
    assert collected.lines["a"]["mixing"].value == 0.5


@pytest.mark.parametrize("reason", [None, Reason.ONE_CLASS])
def test_a_line_with_neither_a_value_nor_a_reason_is_none(reason: Reason | None) -> None:
    value = None if reason is None else 0.5
    line = score("mixing").model_copy(update={"value": value, "reason": reason})
    with pytest.raises(ValueError, match="no line of scores"):
        Collected().add(line.model_dump_json().encode())


def lines_of_an_evaluation() -> list[bytes]:
    lines: list[Frozen] = [sheet()]
    for member in "ab":
        for name in NAMES:
            lines += [BeginLine(member=member, metric=name), score(name, member=member)]
        lines += [MemberLine(member=member, neighbours_seconds=1.0)]
    lines.append(UmapLine(member="a", seconds=1.0))
    return [line.model_dump_json().encode() + b"\n" for line in lines]


LINES = lines_of_an_evaluation()


def followed(path: Path, content: bytes) -> Collected:
    path.write_bytes(content)
    collected = Collected()
    LineFollower(path, collected, {}, silent).look()
    return collected


def test_cut_anywhere_every_whole_line_counts(tmp_path: Path) -> None:
    """It was ended while it wrote."""
    content = b"".join(LINES)
    for length in range(0, len(content), 7):
        n_whole = content[:length].count(b"\n")
        cut = followed(tmp_path / "scores.jsonl", content[:length])
        assert cut == followed(tmp_path / "scores.jsonl", b"".join(LINES[:n_whole])), length


@given(st.lists(st.sampled_from(range(len(LINES))), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_lines_that_are_there_twice_change_nothing(tmp_path: Path, twice: list[int]) -> None:
    again = [LINES[number] for number in sorted(twice)]
    repeated = [line for number, line in enumerate(LINES) for _ in range(1 + twice.count(number))]
    once = followed(tmp_path / "scores.jsonl", b"".join(LINES))
    assert followed(tmp_path / "scores.jsonl", b"".join([*LINES, *again])) == once
    assert followed(tmp_path / "scores.jsonl", b"".join(repeated)) == once
