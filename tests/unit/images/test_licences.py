"""The list of licences: complete for every lock, and read from real metadata."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from multiverse.images.licences import (
    all_locks,
    installed_licences,
    licence_of,
    packages_of,
    read_list,
    render,
)
from multiverse.images.sdk import PACKAGE
from tests.conftest import REPOSITORY

LIST = REPOSITORY / "docs" / "licences.md"


@pytest.mark.parametrize("lock", all_locks(PACKAGE / "models"), ids=lambda p: f"{p.parent.name}")
def test_the_list_covers_every_locked_package(lock: Path) -> None:
    missing = packages_of(lock) - read_list(LIST).keys()
    assert not missing, "run make licences"


def test_the_list_names_nothing_that_is_gone_and_is_as_the_command_writes_it() -> None:
    locks = all_locks(PACKAGE / "models")
    listed = read_list(LIST)
    assert listed.keys() == set().union(*(packages_of(lock) for lock in locks))
    assert LIST.read_text() == render(listed, locks)
    assert listed["mofapy2", "0.7.5"] == "LGPL-3.0"


def test_licences_are_read_from_an_interpreters_packages() -> None:
    found = installed_licences(Path(sys.executable))
    numpy = found["numpy", importlib.metadata.version("numpy")]
    assert "BSD" in numpy
    assert all(text and "|" not in text and "\n" not in text for text in found.values())


@pytest.mark.parametrize(
    ("expression", "classifiers", "text", "files", "licence"),
    [
        ("MIT OR 0BSD", ["License :: OSI Approved :: BSD License"], "x", [], "MIT OR 0BSD"),
        ("", ["License :: OSI Approved :: BSD License"], "MIT", [], "MIT"),
        ("", ["License :: OSI Approved", "License :: OSI Approved :: BSD License"],
         "Copyright\nmany lines", [], "BSD License"),
        ("", [], "=====\nThe Kiwi licence\nterms", [], "The Kiwi licence"),
        ("", [], "UNKNOWN", [], "UNKNOWN"),
        ("", [], "", ["x.dist-info/LICENSE.txt"], "see LICENSE.txt"),
        ("", [], "a | b", [], "a or b"),
        ("", [], "", [], "not stated"),
    ],
)  # fmt: skip
def test_one_line_says_the_licence(
    expression: str, classifiers: list[str], text: str, files: list[str], licence: str
) -> None:
    assert licence_of(expression, classifiers, text, files) == licence
