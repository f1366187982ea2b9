"""What a lock pins, read from text as uv writes it and as a person may."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.images.locks import Pin, needs_pytorch_index, read_pins

A, B = "a" * 64, "b" * 64


def lock(folder: Path, text: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text(text)
    return path


def test_pins_are_read_with_their_hashes(tmp_path: Path) -> None:
    text = (
        f"--index-strategy x\n# numpy==1.0\nnumpy==2.4.6 \\\n    --hash=sha256:{A} \\\n"
        f"    --hash=sha256:{B}\nScikit_Learn.x==1.9 ; python_version > '3'\n-r other.txt\n"
        f"torch===2.13.0 \\\n    --hash=sha256:{A}\n"
    )
    assert read_pins(lock(tmp_path, text)) == {
        "numpy": Pin("2.4.6", frozenset({f"sha256:{A}", f"sha256:{B}"})),
        "scikit-learn-x": Pin("1.9", frozenset()),
        "torch": Pin("2.13.0", frozenset({f"sha256:{A}"})),
    }


def test_a_file_that_locks_nothing_pins_nothing(tmp_path: Path) -> None:
    assert read_pins(lock(tmp_path, "numpy>=2\n\ngit+https://x/y.git\n")) == {}


@pytest.mark.parametrize(
    ("version", "hashes", "allowed"),
    [
        ("1.0", {"x", "y"}, True),
        ("1.0", {"y"}, False),
        ("1.0", set(), True),
        ("1.0.1", {"x"}, False),
    ],
)
def test_another_file_of_the_same_version_is_not_allowed(
    version: str, hashes: set[str], allowed: bool
) -> None:
    assert Pin("1.0", frozenset({"x"})).allows(Pin(version, frozenset(hashes))) is allowed


def test_only_a_cpu_build_needs_pytorchs_index(tmp_path: Path) -> None:
    assert needs_pytorch_index(lock(tmp_path, f"torch==2.13.0+cpu \\\n    --hash=sha256:{A}\n"))
    assert not needs_pytorch_index(lock(tmp_path, f"torch==2.13.0 \\\n    --hash=sha256:{A}\n"))
