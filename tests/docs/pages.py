"""The pages of the documentation as blocks of code, with what their authors say of each.

CONTRIBUTING.md ("Pages") has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
#: What has an effect when it is followed.
FOLLOWED = ("sh", "console", "python")
#: Said in a comment above a block: ``<!-- not run: the reason -->``.
MARKS = ("not run", "nightly", "dry run", "not output")
_MARK = re.compile(rf"<!-- ({'|'.join(MARKS)}): (\S.*?) -->\s*")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the heading above it, and its mark with the reason."""

    language: str
    text: str
    heading: str
    line: int
    mark: str = ""
    reason: str = ""
    #: The blocks below that show what it printed.
    shown: list[Block] = field(default_factory=list, compare=False)

    @property
    def is_followed(self) -> bool:
        """Tell whether a test does what it says."""
        return self.language in FOLLOWED and self.mark not in ("not run", "nightly")


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@cache
def pages() -> tuple[Path, ...]:
    """Return every page of the project."""
    found = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("benchmarks/**/*.md")]
    return tuple(sorted(found))


@cache
def blocks_of(page: Path) -> tuple[Block, ...]:
    """Return the blocks of a page in their order, each output with the block that printed it."""
    return tuple(parse(page.read_text(encoding="utf-8")))


def parse(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    heading, mark, reason = "", "", ""
    source: Block | None = None
    tokens = MarkdownIt("commonmark").parse(text)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            heading, source = tokens[number + 1].content, None
        elif token.type == "html_block" and (found := _MARK.fullmatch(token.content)):
            mark, reason = found.groups()
            continue
        elif token.type == "fence":
            line = (token.map or [0])[0] + 1
            block = Block(token.info.strip(), token.content, heading, line, mark, reason)
            if block.language in FOLLOWED:
                source = block
            elif block.language == "text" and block.mark != "not output" and source is not None:
                source.shown.append(block)
            yield block
        mark, reason = "", ""


def prose_of(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for token in MarkdownIt("commonmark").parse("".join(lines)):
        if token.type == "fence":
            first, last = token.map or (0, 0)
            lines[first:last] = [""] * (last - first)
    return "".join(lines)
