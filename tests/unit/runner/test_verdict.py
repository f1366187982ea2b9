"""What a model says of its GPU is read without trust, and a GPU that was not used is a failure."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.facts import Cause, GpuUsage, RunState
from multiverse.runner.verdict import device_verdict, gpu_usage

H200 = {"name": "NVIDIA H200", "peak_memory_bytes": 2**31}


def written(folder: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "metrics.json").write_text(text)
    return folder


def test_the_gpu_that_a_model_names(tmp_path: Path) -> None:
    content = {"model_metrics": {}, "history": {}, "gpu": H200}
    assert gpu_usage(written(tmp_path, content)) == GpuUsage(
        name="NVIDIA H200", peak_memory_bytes=2**31
    )
    as_r_writes = {"gpu": {**H200, "peak_memory_bytes": 2147483648.0, "driver": "550"}}
    assert gpu_usage(written(tmp_path, as_r_writes)) == gpu_usage(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "no JSON",
        "[" * 100_000,
        {"gpu": None},
        {"gpu": "NVIDIA H200"},
        {"gpu": []},
        {"gpu": {"name": "NVIDIA H200"}},
        {"gpu": {"peak_memory_bytes": 5}},
        {"gpu": {"name": "", "peak_memory_bytes": 5}},
        {"gpu": {"name": " \n\x1b ", "peak_memory_bytes": 5}},
        {"gpu": {"name": 5, "peak_memory_bytes": 5}},
        {"gpu": {"name": "x", "peak_memory_bytes": "5"}},
        {"gpu": {"name": "x", "peak_memory_bytes": True}},
        {"gpu": {"name": "x", "peak_memory_bytes": -1}},
        {"gpu": {"name": "x", "peak_memory_bytes": 10**300}},
        {"gpu": {"name": "x", "peak_memory_bytes": 10**400}},
        {"gpu": {"name": "x", "peak_memory_bytes": float("nan")}},
        {"gpu": {"name": "x", "peak_memory_bytes": float("inf")}},
    ],
)
def test_what_makes_no_sense_is_no_gpu(tmp_path: Path, content: Any) -> None:
    assert gpu_usage(written(tmp_path, content)) is None


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    assert gpu_usage(tmp_path) is None
    assert gpu_usage(tmp_path / "absent") is None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    true = written(elsewhere, {"gpu": H200}) / "metrics.json"
    (tmp_path / "metrics.json").symlink_to(true)
    assert gpu_usage(tmp_path) is None
    (tmp_path / "metrics.json").unlink()
    os.mkfifo(tmp_path / "metrics.json")
    assert gpu_usage(tmp_path) is None
    (tmp_path / "metrics.json").unlink()
    with (tmp_path / "metrics.json").open("wb") as stream:
        stream.truncate(10 * 1024**3)
    assert gpu_usage(tmp_path) is None
    assert gpu_usage(elsewhere) is not None


def test_names_are_safe_to_print_and_short(tmp_path: Path) -> None:
    hostile = {"name": "a\x1b[31m\n\r\ud800b" + "c" * 10_000, "peak_memory_bytes": 1}
    found = gpu_usage(written(tmp_path, {"gpu": hostile}))
    assert found is not None
    assert found.name.isprintable()
    assert found.name.startswith("a [31m b")
    assert len(found.name) <= 200
    assert GpuUsage.model_validate_json(found.model_dump_json()) == found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(name=_JSON, peak=_JSON)
def test_any_json_gives_a_sensible_answer(
    tmp_path_factory: pytest.TempPathFactory, name: Any, peak: Any
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = json.dumps({"gpu": {"name": name, "peak_memory_bytes": peak}})
    (folder / "metrics.json").write_text(content)
    found = gpu_usage(folder)
    assert found is None or (found.name.isprintable() and found.peak_memory_bytes >= 0)


def test_a_gpu_that_was_asked_for_must_have_computed() -> None:
    used = GpuUsage(name="NVIDIA H200", peak_memory_bytes=1)
    idle = GpuUsage(name="NVIDIA H200", peak_memory_bytes=0)
    for device in ("cuda", "cuda:1"):
        assert device_verdict(device, used) is None
        for gpu in (None, idle):
            verdict = device_verdict(device, gpu)
            assert verdict is not None
            assert (verdict.state, verdict.cause) == (RunState.FAILED, Cause.DEVICE_UNUSED)
            assert f"was to compute on {device}" in verdict.message
            assert "run it with --device cpu" in verdict.message
            assert ("NVIDIA H200" in verdict.message) == (gpu is idle)


def test_a_job_on_the_cpu_need_show_nothing() -> None:
    for gpu in (None, GpuUsage(name="NVIDIA H200", peak_memory_bytes=0)):
        assert device_verdict("cpu", gpu) is None
