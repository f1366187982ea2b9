"""A repeated option never drops what it was given first."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from multiverse.cli import run as command
from multiverse.cli.main import main
from multiverse.cli.parser import make_parser
from multiverse.errors import UsageError


def options() -> list[tuple[str, argparse.Action]]:
    """Every option of every command that takes values and stores them."""
    (commands,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return [
        (name, action)
        for name, parser in commands.choices.items()
        for action in parser._actions
        if isinstance(action, argparse._StoreAction) and action.option_strings
    ]


def required(name: str) -> list[str]:
    return {
        "compare": ["a", "b"],
        "register": ["data.h5ad"],
        "inspect": ["data.h5ad"],
        "new-model": ["mine"],
        "show": ["0"],
        "schema": ["model"],
    }.get(name, [])


def two_values(action: argparse.Action) -> tuple[str, str]:
    if action.choices:
        first, second, *_ = action.choices
        return str(first), str(second)
    return "1", "2"


def parsed(name: str, *words: str) -> dict[str, Any]:
    return vars(make_parser().parse_args([name, *required(name), *words]))


@pytest.mark.parametrize(
    ("name", "action"),
    [pytest.param(*each, id=f"{each[0]} {each[1].option_strings[0]}") for each in options()],
)
def test_every_option(
    name: str, action: argparse.Action, capsys: pytest.CaptureFixture[str]
) -> None:
    option = action.option_strings[-1]
    first, second = two_values(action)
    if action.nargs in ("+", "*"):
        once = parsed(name, option, first, second)[action.dest]
        assert parsed(name, option, first, option, second)[action.dest] == once
        assert len(once) == 2
        return
    same = parsed(name, option, first, option, first)
    assert same[action.dest] == parsed(name, option, first)[action.dest]
    assert main([name, *required(name), option, first, option, second]) == 2
    said = capsys.readouterr().err
    assert f"is given twice, as {first}" in said
    assert f"as {second}" in said or f"as {float(second)}" in said


def test_both_ways_to_write_one_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-j", "2", "--jobs=3"]) == 2
    assert "argument -j/--jobs: is given twice, as 2 and as 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tag", "who=me", "--tag", "who=you"], "--tag gives who two values, 'me' and 'you'"),
        (
            ["-p", "pca.n_components=3", "-p", "pca.n_components=4"],
            "--parameter gives pca.n_components two values",
        ),
        (["--modality", "X=rna", "--modality", "X=adt"], "--modality gives X two values"),
    ],
)
def test_one_name_with_two_values(words: list[str], said: str, tmp_path: Path) -> None:
    given = ["run", "--models", "pca", "--input", str(tmp_path / "data.h5ad"), *words]
    with pytest.raises(UsageError, match=said):
        command.read(make_parser().parse_args(given))


def test_models_of_a_repeated_option_all_count(tmp_path: Path) -> None:
    words = ["run", "--models", "pca", "--models", "mofa", "--input", str(tmp_path / "data.h5ad")]
    arguments = command.read(make_parser().parse_args(words))
    assert list(arguments.models) == ["pca", "mofa"]
