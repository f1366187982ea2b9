"""What past runs took is remembered by several writers at once, and never in anybody's way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.facts import Cause, RunState, Usage
from multiverse.forecast import history
from multiverse.forecast.history import History, PastRun, past_run_of, settings_hash
from tests.unit.runs.test_publish_and_list import record

GIB = 1024**3


def past(**changes: Any) -> PastRun:
    content: dict[str, Any] = {
        "model": "mofa",
        "model_version": "1.0.0",
        "device": "cpu",
        "engine": "docker",
        "n_obs": 10_000,
        "n_values": 10**7,
        "cpus": 2.0,
        "wall_seconds": 80.5,
        "peak_memory_bytes": 2 * GIB,
        "out_of_memory": False,
        "memory_limit": 4 * GIB,
        "parameters": "0123abcd",
        "finished_at": "2026-01-01T00:00:00+00:00",
    }
    return PastRun(**{**content, **changes})


def seeds(number: int) -> list[PastRun]:
    return [past(n_obs=index + 1) for index in range(number)]


def test_what_is_appended_is_read_oldest_first(tmp_path: Path) -> None:
    file = History(tmp_path / "cache" / "history.jsonl")
    assert file.read() == []
    written = [*seeds(3), past(peak_memory_bytes=None, out_of_memory=True)]
    for one in written:
        file.append(one)
    assert file.read() == written
    assert file.read(limit=2) == written[-2:]
    assert (tmp_path / "cache" / "history.jsonl").read_bytes().count(b"\n") == 4


def test_reading_does_not_depend_on_what_lies_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    file = History(path)
    with path.open("wb") as stream:
        stream.truncate(3 * GIB)  # sparse: nobody can read that in passing
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n")
    for one in seeds(20):
        # Not by append(): it would make the file smaller.
        with path.open("ab") as stream:
            stream.write(one.model_dump_json().encode() + b"\n")
    assert file.read(limit=10) == seeds(20)[-10:]


def test_a_line_that_begins_where_reading_begins_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = History(tmp_path / "history.jsonl")
    length = len(past(n_obs=1).model_dump_json()) + 1
    for one in seeds(9):
        file.append(one)
    for around in (-1, 0, 1):
        monkeypatch.setattr(history, "USUAL_LINE_BYTES", length + around)
        expected = 4 if around >= 0 else 3
        assert file.read(limit=4) == seeds(9)[-expected:]


def test_damaged_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    file = History(path)
    good = past().model_dump_json()
    bad = [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"model": "mofa"}',
        good[:-20],
        good.replace("10000", '"10000"'),
        good.replace('"n_obs":10000', '"n_obs":-5'),
        good.replace("80.5", "NaN"),
        good.replace("80.5", "1e999"),
        good.replace("mofa", "m" * 5000),
        "[" * 100_000,
        "\x00\x1b[31m",
    ]
    text = "\n".join([good, *bad, good.replace("mofa", "pca"), '{"model": "to'])
    path.write_bytes(text.encode() + b"\xff\xfe\n")
    assert [one.model for one in file.read()] == ["mofa", "pca"]


@given(st.binary(max_size=400))
def test_no_content_of_the_file_is_an_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.jsonl")
        path.write_bytes(content)
        file = History(path)
        assert file.read() == []
        file.append(past())
        unfinished = content.rpartition(b"\n")[2].strip(b" \t\r")  # what JSON takes for nothing
        assert file.read() == ([] if unfinished else [past()])


def test_unknown_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(past().model_dump_json()[:-1] + ',"colour":"blue"}\n')
    assert History(path).read() == [past()]


def test_several_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    program = """
import sys
from pathlib import Path
from multiverse.forecast.history import History, PastRun
file, name = History(Path(sys.argv[1])), sys.argv[2]
line = PastRun.model_validate_json(sys.argv[3])
for number in range(200):
    file.append(line.model_copy(update={"model": name * 50, "n_obs": number + 1}))
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", program, path, name, past().model_dump_json()])
        for name in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = History(path).read()
    assert len(found) == 600
    for name in "abc":
        assert [one.n_obs for one in found if one.model == name * 50] == [*range(1, 201)]


def test_a_large_file_keeps_its_newer_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_FILE_BYTES", 20_000)
    path = tmp_path / "history.jsonl"
    file, sizes = History(path), []
    for one in seeds(200):
        file.append(one)
        sizes.append(path.stat().st_size)
    assert max(sizes) <= 20_000
    left = file.read()
    assert left == seeds(200)[-len(left) :]
    assert len(left) * len(past().model_dump_json()) > 9_000
    assert [item.name for item in tmp_path.iterdir()] == ["history.jsonl"]


def test_what_can_not_be_written_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "below" / "history.jsonl", tmp_path, Path("/proc/none/h")):
        file = History(path)
        file.append(past())
        assert file.read() == []
    full = History(Path("/dev/full"))
    full.append(past())
    History(tmp_path / "long.jsonl").append(past().model_copy(update={"model": "m" * 5000}))
    assert not (tmp_path / "long.jsonl").exists()


def test_of_a_run_is_kept_what_the_next_one_can_learn() -> None:
    run = record(
        model="mofa",
        device="cuda:1",
        n_obs=300,
        changed={"n_factors": 20},
        preprocessing={"n_top_genes": 500},
        limits={"cpus": 2.0, "memory": GIB, "time_limit": None},
        usage=Usage(wall_seconds=12.5, peak_memory_bytes=GIB // 2, high_water_bytes=GIB),
    )
    found = past_run_of(run, n_values=4000)
    assert found == PastRun(
        model="mofa",
        model_version="1.0.0",
        device="cuda",
        engine="local",
        n_obs=300,
        n_values=4000,
        cpus=2.0,
        wall_seconds=12.5,
        peak_memory_bytes=GIB // 2,
        out_of_memory=False,
        memory_limit=GIB,
        parameters=settings_hash({"n_factors": 20}, {"n_top_genes": 500}),
        finished_at="2026-01-01T00:00:02+00:00",
    )
    failed = run.model_copy(update={"state": RunState.FAILED, "cause": Cause.OUT_OF_MEMORY})
    exhausted = past_run_of(failed, n_values=4000)
    assert exhausted is not None
    assert exhausted.out_of_memory
    assert exhausted == found.model_copy(update={"out_of_memory": True})


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (RunState.FAILED, Cause.MODEL_ERROR),
        (RunState.FAILED, Cause.TIME_LIMIT),
        (RunState.CANCELLED, Cause.CANCELLED),
        (RunState.NOT_APPLICABLE, Cause.NOT_APPLICABLE),
        (RunState.RUNNING, None),
    ],
)
def test_runs_that_ended_otherwise_teach_nothing(state: RunState, cause: Cause | None) -> None:
    assert past_run_of(record(state=state, cause=cause), n_values=1) is None


def test_a_record_with_impossible_figures_teaches_nothing() -> None:
    assert past_run_of(record(n_obs=0), n_values=1) is None
    assert past_run_of(record(model_version="1" * 300), n_values=1) is None
    bare = past_run_of(record(limits={}), n_values=1)
    assert bare is not None
    assert (bare.cpus, bare.memory_limit) == (1, 0)


def test_settings_are_told_apart_by_content() -> None:
    one = settings_hash({"a": 1, "b": 2}, {})
    assert one == settings_hash({"b": 2, "a": 1}, {})
    assert len({one, settings_hash({"a": 1}, {}), settings_hash({}, {"a": 1, "b": 2})}) == 3
