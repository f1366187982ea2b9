"""The pages are followed as their readers would, and what they show is what is printed then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from multiverse.registry.datasets import list_datasets
from tests.conftest import docker_or_skip
from tests.docs.files import SECTIONS
from tests.docs.following import (
    QUICKSTART,
    RUNS_ONLY,
    YOUR_DATA,
    Followed,
    follow_page,
    follow_section,
)
from tests.docs.pages import blocks_of, name_of, pages
from tests.docs.stage import Stage

pytestmark = pytest.mark.docker
OTHERS = [
    page
    for page in pages()
    if page not in (QUICKSTART, YOUR_DATA) and any(block.is_followed for block in blocks_of(page))
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docker_or_skip()
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def quickstart(root: Path) -> tuple[Stage, list[Followed]]:
    """What the quickstart leaves, its notebook closed; other pages begin there."""
    with Stage(root / "quickstart") as stage:
        done = list(follow_page(QUICKSTART, stage))
    return stage, done


def test_the_quickstart_shows_what_is_printed(quickstart: tuple[Stage, list[Followed]]) -> None:
    _, done = quickstart
    assert differences(QUICKSTART, done) == ""
    assert len(done) == sum(block.is_followed for block in blocks_of(QUICKSTART)) > 0


@pytest.mark.parametrize("page", OTHERS, ids=name_of)
def test_a_page_shows_what_is_printed(
    page: Path, quickstart: tuple[Stage, list[Followed]], root: Path
) -> None:
    with quickstart[0].copy(root / page.stem) as stage:
        assert differences(page, list(follow_page(page, stage))) == ""


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_of_your_data_registers_what_it_says(
    heading: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stage(root / heading, RUNS_ONLY) as stage:
        assert differences(YOUR_DATA, follow_section(heading, stage)) == ""
    monkeypatch.setenv("MULTIVERSE_HOME", str(stage.home))
    found = {item.record.slug: item.record for item in list_datasets()}
    wanted = SECTIONS[heading].registered
    assert set(found) == set(wanted)
    for slug, expected in wanted.items():
        features = {name: part.n_vars for name, part in found[slug].modalities.items()}
        assert (found[slug].n_obs, features) == (expected.n_obs, expected.features), slug


def test_every_section_of_your_data_has_its_files() -> None:
    headings = dict.fromkeys(block.heading for block in blocks_of(YOUR_DATA))
    assert set(headings) == {heading for heading in SECTIONS if SECTIONS[heading].has_blocks}


def differences(page: Path, done: Sequence[Followed]) -> str:
    """Name the outputs that differ, and the command that shows them anew."""
    lines = [
        f"{name_of(page)}:{item.block.line}\n  " + "\n  ".join(item.match.differences)
        for item in done
        if item.match.differences
    ]
    how = f".venv/bin/python -m tests.docs {name_of(page)}"
    return "\n".join([*lines, f"shown anew by: {how}"] if lines else [])
