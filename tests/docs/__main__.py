"""``python -m tests.docs [PAGE …]``: follow pages, and show anew the outputs that differ.

``--nightly`` follows what takes too long for every check as well, ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.docs.files import SECTIONS
from tests.docs.following import (
    QUICKSTART,
    RUNS_ONLY,
    YOUR_DATA,
    Followed,
    follow_page,
    follow_section,
    rewritten,
)
from tests.docs.pages import FOLLOWED, blocks_of, name_of, pages
from tests.docs.stage import Stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE")
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    wanted = [page.resolve() for page in arguments.pages] or list(pages())
    differing = 0
    with tempfile.TemporaryDirectory(prefix="multiverse-docs-") as root:
        with Stage(Path(root, "quickstart")) as first:
            done = {QUICKSTART: list(follow_page(QUICKSTART, first, nightly=arguments.nightly))}
        for number, page in enumerate(wanted):
            if page == YOUR_DATA:
                done[page] = []
                for heading in SECTIONS:
                    with Stage(Path(root, heading), RUNS_ONLY) as stage:
                        done[page] += follow_section(heading, stage)
            elif page not in done and any(b.language in FOLLOWED for b in blocks_of(page)):
                with first.copy(Path(root, str(number))) as stage:
                    done[page] = list(follow_page(page, stage, nightly=arguments.nightly))
            differing += _show(page, done.get(page, []), write=not arguments.check)
    return 1 if differing and arguments.check else 0


def _show(page: Path, done: list[Followed], *, write: bool) -> int:
    """Name what differs on a page, and write it anew; how many blocks that are."""
    differing = [item for item in done if item.match.differences]
    for item in differing:
        said = [f"{name_of(page)}:{item.block.line}", *item.match.differences]
        sys.stdout.write("\n  ".join(said) + "\n")
    if differing and write:
        page.write_text(rewritten(page, done), encoding="utf-8")
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
