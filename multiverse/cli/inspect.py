"""``multiverse inspect``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.api import inspect
from multiverse.cli.arguments import read_registration
from multiverse.cli.pairs import files_of, is_named
from multiverse.cli.terminal import (
    console,
    plain_table,
    print_command,
    print_error,
    print_json,
    print_table,
    safe,
    show_notes_beside,
)
from multiverse.errors import MultiverseError
from multiverse.registry import RegistrationOptions

if TYPE_CHECKING:
    from multiverse.inspection import Inspection, TextTable

#: Columns that are broken over lines where a terminal is narrow.
FOLDED = ("column of obs", "such as", "rests on, or why not")
#: Of names that have to be typed, so much is never broken.
WIDEST_NAME = 30


@dataclass(frozen=True)
class InspectArguments:
    """Files or registered datasets, and how the files are to be read."""

    inputs: tuple[str | Path | Mapping[str, Path], ...]
    options: RegistrationOptions
    models_dirs: tuple[Path, ...]
    json: bool


def read(given: Namespace) -> InspectArguments:
    """Return the arguments."""
    return InspectArguments(
        inputs=_inputs(given.inputs),
        options=read_registration(given, replace=False),
        models_dirs=tuple(given.models_dir),
        json=given.json,
    )


def _inputs(words: Sequence[str]) -> tuple[str | Path | Mapping[str, Path], ...]:
    """Return what is to be looked at: files and slugs in turn, or one file a modality together."""
    return (files_of(words),) if all(map(is_named, words)) else tuple(words)


def main(arguments: InspectArguments) -> int:
    """Look at each dataset in turn; one that can't be read does not keep the others back."""
    code, documents = 0, []
    for place, name in enumerate(arguments.inputs):
        try:
            found = inspect(
                name,
                options=arguments.options,
                models_dirs=arguments.models_dirs,
                tell=show_notes_beside,
            )
        except MultiverseError as error:
            code = code or error.exit_code
            documents.append({"source": str(name), "error": str(error), "next": error.remedy})
            print_error(str(error), error.remedy)
            continue
        documents.append(found.to_dict())
        if not arguments.json:
            if place:
                console().print()
            print_inspection(found)
    if arguments.json:
        print_json(documents)
    return code


def print_inspection(found: Inspection) -> None:
    """Print what is in a dataset, what can be done with it, and the command that does it."""
    from multiverse.inspection import Wording  # loads what reads a file, before which it is told

    out = console()
    words = Wording.of(found)
    out.print(safe(words.title, "bold"))
    _print_table(words.modalities)
    _print_lines(words.remarks, "yellow")
    out.print()
    _print_table(words.columns)
    _print_lines(words.choices)
    out.print()
    _print_table(words.models)
    _print_lines(words.warnings, "yellow")
    out.print()
    for obstacle in found.obstacles:
        out.print(safe("can't be run as it is: ", "bold red") + safe(obstacle.message))
        if obstacle.remedy:
            out.print(safe("  next: ", "bold") + safe(obstacle.remedy))
    if found.command is not None:
        out.print(safe("to run it:", "bold"))
        print_command(found.command)
    for other in found.other_commands:
        out.print(safe(f"or ({other.words}):", "bold"))
        print_command(other.command)


def _print_table(words: TextTable) -> None:
    if not words.rows:
        return
    table = plain_table(*words.columns, right=tuple(words.numbers), folded=FOLDED)
    longest = max(len(first) for first, *_ in words.rows)
    table.columns[0].min_width = min(max(longest, len(words.columns[0])), WIDEST_NAME)
    for first, *cells in words.rows:
        table.add_row(safe(first, "bold"), *cells)
    print_table(table)


def _print_lines(lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console().print(safe(f"  {line}", style))
