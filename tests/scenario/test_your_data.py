"""The page "Your data": its commands are given as they stand, on files as they are there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import multiverse
from multiverse.cli.main import main
from multiverse.registry.datasets import list_datasets
from tests.conftest import REPOSITORY
from tests.scenario.your_data import SECTIONS, in_memory

PAGE = (REPOSITORY / "docs" / "your-data.md").read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """Heading → its text."""
    parts = re.split(r"^#{2,3} (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_every_section_has_its_files() -> None:
    assert list(sections()) == list(SECTIONS)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_commands_of_a_section_do_what_it_says(
    heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    section = SECTIONS[heading]
    section.make(folder)
    for block in blocks(sections()[heading], "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            follow(line, folder)
    for block in blocks(sections()[heading], "python"):
        follow_python(block, monkeypatch)
    found = {item.record.slug: item.record for item in list_datasets()}
    assert set(found) == set(section.registered)
    for slug, wanted in section.registered.items():
        features = {name: part.n_vars for name, part in found[slug].modalities.items()}
        assert (found[slug].n_obs, features) == (wanted.n_obs, wanted.features), slug


def follow(line: str, folder: Path) -> None:
    """Give a command; of a run everything but its jobs, and register what it would run on."""
    words = shlex.split(line, comments=True)
    if words[:1] != ["multiverse"]:
        subprocess.run(["/bin/sh", "-c", line], check=True, cwd=folder)
        return
    if words[1] != "run":
        assert main(words[1:]) == 0, line
        return
    assert main([*words[1:], "--dry-run", "--engine", "local"]) == 0, line
    if "--input" in words:
        assert main(["register", *words[words.index("--input") :]]) == 0, line


def follow_python(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example; where it runs models, say what would be run, and register its data."""

    def preview(models: list[str], data: Any, output: str, **settings: Any) -> list[Any]:
        multiverse.register(data, **settings)
        return multiverse.api.preview(models, data, output, engine="local", **settings)

    monkeypatch.setattr(multiverse, "run", preview, raising=False)
    exec(block, in_memory())  # noqa: S102
