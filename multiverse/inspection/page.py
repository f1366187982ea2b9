"""An inspection as tables for a notebook. Every text is escaped: none of a dataset becomes HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from multiverse.inspection.facts import Inspection
from multiverse.inspection.wording import TextTable, Wording


def as_html(found: Inspection) -> str:
    """Return an inspection as a fragment of HTML, with no script and nothing from elsewhere."""
    words = Wording.of(found)
    parts = [
        f"<p><b>{_text(words.title)}</b></p>",
        _table(words.modalities),
        _list(words.remarks),
        _table(words.columns),
        _list(words.choices),
        _table(words.models),
        _list(words.warnings),
    ]
    parts += [
        f"<p>{_text(item.message)}<br>next: {_text(item.remedy or '')}</p>"
        for item in found.obstacles
    ]
    if found.command is not None:
        parts.append(_command(found.command))
    parts += [
        f"<p>{_text(item.words)}</p>{_command(item.command)}" for item in found.other_commands
    ]
    return f"<div>{''.join(parts)}</div>"


def _table(table: TextTable) -> str:
    if not table.rows:
        return ""
    sides = ["right" if name in table.numbers else "left" for name in table.columns]
    head = _row("th", sides, table.columns)
    body = "".join(_row("td", sides, row) for row in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, sides: Sequence[str], texts: Sequence[str]) -> str:
    cells = (_cell(tag, side, text) for side, text in zip(sides, texts, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, side: str, text: str) -> str:
    return f'<{tag} style="text-align:{side};padding:0 .6em">{_text(text)}</{tag}>'


def _command(text: str) -> str:
    return f'<pre style="white-space:pre-wrap">{_text(text)}</pre>'


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _text(text: str) -> str:
    """Return text as HTML shows it; what is not printable, such as marks of direction, is gone."""
    return escape("".join(mark if mark.isprintable() else " " for mark in text))
