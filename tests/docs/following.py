"""Follows the blocks of a page, each where its files are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.files import FILES, SECTIONS, link_repository
from tests.docs.pages import DOCS, Block, blocks_of, name_of
from tests.docs.samples import ELLIPSIS, Match, compare, show_anew
from tests.docs.stage import Stage

QUICKSTART = DOCS / "quickstart.md"
YOUR_DATA = DOCS / "your-data.md"
#: For stages of which the runs alone matter.
RUNS_ONLY = {f"MULTIVERSE_NO_{step}": "1" for step in ("EVALUATE", "REPORT", "MLFLOW")}
#: A file that a page shows as its reader should write it.
_FILE = re.compile(r"# ([\w-]+\.yaml)\n")


@dataclass(frozen=True)
class Followed:
    """A block that was followed, what it printed, and how its page shows that."""

    block: Block
    printed: str
    match: Match = field(default_factory=Match)


def follow_page(page: Path, stage: Stage, *, nightly: bool = False) -> Iterator[Followed]:
    """Follow a page from its first block to its last, in one folder."""
    heading = ""
    for block in blocks_of(page):
        if block.heading != heading:
            heading = block.heading
            FILES.get(name_of(page), {}).get(heading, _nothing)(stage.work)
        if block.language == "yaml" and (name := _FILE.match(block.text)):
            (stage.work / name[1]).write_text(block.text)
        if block.is_followed:
            yield followed(block, stage)
        elif nightly and block.mark == "nightly":
            with Stage(stage.root / "nightly") as clone:
                link_repository(clone.work)
                yield followed(block, clone)


def follow_section(heading: str, stage: Stage) -> list[Followed]:
    """Follow a section of the page "Your data", with the files that it names."""
    SECTIONS[heading].make(stage.work)
    blocks = [block for block in blocks_of(YOUR_DATA) if block.heading == heading]
    return [followed(block, stage) for block in blocks if block.is_followed]


def followed(block: Block, stage: Stage) -> Followed:
    printed = stage.follow(block)
    sample = sample_of(block)
    match = compare(sample, printed) if sample is not None else Match()
    stage.digests.update(match.digests)
    return Followed(block, printed, match)


def sample_of(block: Block) -> str | None:
    """Return what a page shows of a block's output, or None where it shows nothing."""
    if block.language == "console":
        return re.sub(r"\\\n\s*(?:> )?", "", block.text)
    if not block.shown:
        return None
    return f"{ELLIPSIS}\n".join(shown.text for shown in block.shown)


def rewritten(page: Path, done: list[Followed]) -> str:
    """Return the text of a page in which outputs that differ are those of today."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for item in sorted(done, key=lambda item: -item.block.line):
        if not item.match.differences:
            continue
        block = item.block
        whole = sample_of(block) or ""
        anew = _with_shown_digests(show_anew(whole, item.printed), item.match)
        targets = [block] if block.language == "console" else block.shown
        parts = _parts(anew, [shown.text for shown in targets])
        for shown, text in sorted(zip(targets, parts, strict=True), key=lambda pair: -pair[0].line):
            lines[shown.line : shown.line + len(shown.text.splitlines())] = [text]
    return "".join(lines)


def _parts(text: str, shown: list[str]) -> list[str]:
    """Deal out an output to the blocks that show it, by the ellipses that each has."""
    pieces = re.split(rf"^{ELLIPSIS}\n", text, flags=re.MULTILINE)
    parts = []
    for sample in shown:
        count = len(re.findall(rf"^{ELLIPSIS}$", sample, re.MULTILINE)) + 1
        parts.append(f"{ELLIPSIS}\n".join(pieces[:count]))
        pieces = pieces[count:]
    return parts


def _with_shown_digests(text: str, match: Match) -> str:
    """A run keeps the id that its page has for it."""
    for shown, real in match.digests.items():
        text = text.replace(real, shown)
    return text


def _nothing(_: Path) -> None:
    pass
