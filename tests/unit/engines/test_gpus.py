"""The list of GPUs, from a real program of the driver's tool's name on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.engines import gpus
from multiverse.engines.gpus import nvidia_gpus
from multiverse.engines.protocol import Gpu

TWO = """\
0, GPU-1f3e0000-aaaa, NVIDIA A100-SXM4-40GB, 40960
1, GPU-1f3e0000-bbbb, NVIDIA H200, 143771
"""
MIB = 1024**2
A100 = Gpu("0", "NVIDIA A100-SXM4-40GB", 40960 * MIB)
H200 = Gpu("1", "NVIDIA H200", 143771 * MIB)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tool is looked for; there is none at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(gpus.VISIBLE_VARIABLE, raising=False)
    return folder / "nvidia-smi"


def install(tool: Path, output: str, ending: str = "exit 0") -> None:
    """A tool that answers the question that is asked of it, and no other."""
    (tool.parent / "answer").write_text(output, encoding="utf-8")
    tool.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "--query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits" ]'
        " || exit 9\n"
        f"while IFS= read -r line; do printf '%s\\n' \"$line\"; done < '{tool.parent}/answer'\n"
        f"{ending}\n"
    )
    tool.chmod(0o755)


def test_every_gpu_has_its_number_name_and_bytes(tool: Path) -> None:
    install(tool, TWO)
    assert nvidia_gpus() == (A100, H200)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("1", (H200,)),
        ("1,0", (H200, A100)),
        (" 0 , 0 ", (A100,)),
        ("GPU-1f3e0000-b", (H200,)),
        ("GPU-1f3e", ()),
        ("GPU-1f3e0000-bbbb,0", (H200, A100)),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", (A100,)),
        ("7,0", ()),
        ("none", ()),
    ],
)
def test_only_what_cuda_may_see(
    tool: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, expected: tuple[Gpu, ...]
) -> None:
    install(tool, TWO)
    monkeypatch.setenv(gpus.VISIBLE_VARIABLE, chosen)
    assert nvidia_gpus() == expected


def test_a_machine_without_the_tool_has_no_gpu(tool: Path) -> None:
    assert not tool.exists()
    assert nvidia_gpus() == ()


def test_a_tool_that_fails_or_is_no_program_lists_none(tool: Path) -> None:
    install(tool, "NVIDIA-SMI has failed because it couldn't communicate\n", "exit 9")
    assert nvidia_gpus() == ()
    install(tool, TWO, "exit 15")
    assert nvidia_gpus() == ()
    tool.write_bytes(b"\x00\x01\x02")
    assert nvidia_gpus() == ()
    install(tool, TWO)
    assert nvidia_gpus() == (A100, H200)


def test_a_tool_that_hangs_is_given_up(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "TIMEOUT_SECONDS", 0.2)
    install(tool, TWO, "while :; do :; done")
    assert nvidia_gpus() == ()


def test_odd_lines_are_read_as_far_as_they_mean_something(tool: Path) -> None:
    install(
        tool,
        "No devices were found\n"
        "x, GPU-1, Name, 5\n"
        "\n"
        "0, GPU-1, NVIDIA GB10, [N/A]\n"
        "1, GPU-2, One, Two \x1b[31m, 16\n",
    )
    assert nvidia_gpus() == (
        Gpu("0", "NVIDIA GB10", 0),
        Gpu("1", "One, Two  [31m", 16 * MIB),
    )
