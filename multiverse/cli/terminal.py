"""Everything that is printed goes through here: nothing from a user's file obeys the terminal."""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from multiverse.engines import printable
from multiverse.events import Advised, Event, Noted, Tell

#: Width where nobody looks (a pipe or a file): wide enough that no cell is folded.
PIPE_WIDTH = 200
_NOT_PLAIN = re.compile("[^\x00-\x7e]+")


def console(*, stderr: bool = False) -> Console:
    """Return a console for the wanted stream; plain and wide where it is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=not stream.isatty())


def say(line: str) -> None:
    """Print one line of progress."""
    console().print(Text(printable(line)))


def show_notes(event: Event) -> None:
    """Print the message of a note; other events have listeners of their own."""
    if isinstance(event, Noted):
        say(event.message)


def show_notes_beside(event: Event) -> None:
    """Print the message of a note on standard error, which is not the result's; no advice."""
    if isinstance(event, Noted) and not isinstance(event, Advised):
        console(stderr=True).print(Text(printable(event.message)))


def notes(*, json: bool) -> Tell:
    """Return where notes go that are not the result: a machine reads nothing but JSON."""
    return show_notes_beside if json else show_notes


def safe(value: object, style: str = "") -> Text:
    """Return text of a user, as text: no markup, no control characters."""
    return Text(printable(str(value)), style=style)


def print_error(message: str, remedy: str | None) -> None:
    """Print an error, the thing it concerns, and what to do next."""
    out = console(stderr=True)
    first, *more = message.splitlines() or [""]
    out.print(Text("error: ", style="bold red") + Text(printable(first)))
    for line in more:
        out.print(Text("       " + printable(line)))
    if remedy:  # not broken by us: a command in it can be pasted
        out.print(Text("  next: ", style="bold") + Text(printable(remedy)), soft_wrap=True)


def print_command(command: str) -> None:
    """Print a shell command to copy; on a terminal, long ones go on after a backslash."""
    out = console()
    lines = [command]
    if out.is_terminal and len(command) + 2 > out.width:
        lines = _broken(shlex.split(command), out.width - 4)
    for number, line in enumerate(lines):
        more = " \\" if number < len(lines) - 1 else ""
        out.print(Text(f"{'    ' if number else '  '}{printable(line)}{more}"), soft_wrap=True)


def _broken(words: Sequence[str], width: int) -> list[str]:
    """Return the words as lines of at most ``width`` cells where possible, broken at options."""
    groups: list[list[str]] = [[]]
    for word in words:
        groups += [[]] if word.startswith("-") else []
        groups[-1].append(word)
    lines = [shlex.join(groups[0])]
    for group in map(shlex.join, groups[1:]):
        if len(lines[-1]) + 1 + len(group) > width:
            lines.append(group)
        else:
            lines[-1] += f" {group}"
    return lines


def print_json(content: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(f"{as_json(content, indent=2)}\n")


def as_json(content: Any, *, indent: int | None = None) -> str:
    """Return JSON in ASCII, which no terminal obeys; what JSON has no number for is null."""
    try:
        text = json.dumps(content, indent=indent, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(content), indent=indent)
    return ascii_json(text)


def ascii_json(text: str) -> str:
    """Return a JSON document with escapes for what is not ASCII, and for DEL."""
    return _NOT_PLAIN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")


def show_warnings() -> None:
    """Have warnings of Python and of libraries printed as what they are: text of others."""
    formatted = warnings.formatwarning

    def harmless(*given: Any, **more: Any) -> str:
        lines = formatted(*given, **more).splitlines()
        return "".join(f"{printable(line)}\n" for line in lines)

    warnings.formatwarning = harmless


def _finite(content: Any) -> Any:
    match content:
        case float():
            return content if math.isfinite(content) else None
        case dict():
            return {name: _finite(value) for name, value in content.items()}
        case list() | tuple():
            return [_finite(value) for value in content]
    return content


class _PlainTable(Table):
    """A table whose cells are text: of a string, no markup and no control character counts."""

    def add_row(self, *cells: RenderableType | None, **how: Any) -> None:
        super().add_row(*(safe(cell) if isinstance(cell, str) else cell for cell in cells), **how)


def plain_table(*columns: str, right: tuple[str, ...] = (), folded: tuple[str, ...] = ()) -> Table:
    """Return a table in the house's look; only ``folded`` columns are broken over lines."""
    table = _PlainTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column not in folded,
            overflow="fold" if column in folded else "ellipsis",
        )
    return table


def print_table(table: Table) -> None:
    """Print a table; in a pipe without the spaces that fill its last column."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")
