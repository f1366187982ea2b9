"""What a page may leave out, and how outputs are held against what was printed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.following import QUICKSTART, Followed, rewritten
from tests.docs.pages import FOLLOWED, MARKS, blocks_of, name_of, pages, parse
from tests.docs.samples import compare, same, show_anew
from tests.docs.stage import Failed, Stage, commands

README = REPOSITORY / "README.md"
#: How many blocks are not followed, of all pages: a new one is a decision, made here too.
NOT_FOLLOWED = 24
NOT_OUTPUTS = 12


def test_not_more_is_left_out_than_was_decided() -> None:
    blocks = [block for page in pages() for block in blocks_of(page)]
    code = [block for block in blocks if block.language in FOLLOWED]
    assert sum(not block.is_followed for block in code) == NOT_FOLLOWED
    assert sum(block.mark == "not output" for block in blocks) == NOT_OUTPUTS
    assert len(code) > 2 * NOT_FOLLOWED, "most of the pages are followed"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_is_followed_shown_or_marked(page: Path) -> None:
    blocks = blocks_of(page)
    outputs = [id(shown) for block in blocks for shown in block.shown]
    for block in blocks:
        assert block.language in {*FOLLOWED, "text", "yaml", "json", "dockerfile"}, block
        if block.language == "text":
            assert (id(block) in outputs) != (block.mark == "not output"), block
    text = page.read_text(encoding="utf-8")
    marked = len(re.findall(rf"^<!-- (?:{'|'.join(MARKS)})\b", text, re.MULTILINE))
    assert marked == sum(bool(block.mark) for block in blocks), "a mark without block or reason"


def test_the_readme_shows_the_scores_that_the_quickstart_has() -> None:
    """Its own run is made by night; the quickstart's, of the same data, in every check."""
    lines = [
        [line for block in blocks_of(page) for line in block.text.splitlines()]
        for page in (README, QUICKSTART)
    ]
    for row in ("model ", "pca ", "(random) ", "(label_oracle) "):
        readme, quickstart = (
            [re.sub(r"^\d+ ", "", line).strip() for line in found] for found in lines
        )
        shown, held = (
            next(
                line for line in found if line.startswith(row) and re.search(" bio | 12/12 ", line)
            )
            for found in (readme, quickstart)
        )
        assert same(shown, held), f"{shown}\n{held}"


def test_extras_that_are_named_are_there() -> None:
    """No index has multiverse: it is installed from a clone."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    files = [*pages(), *(REPOSITORY / "multiverse").rglob("*.py")]
    named: set[str] = set()
    for file in files:
        for line in re.findall(r"pip install.*", file.read_text(encoding="utf-8")):
            assert not re.search(r"install.* [\"']?multiverse\b", line.split("#")[0]), (file, line)
            for extras in re.findall(r"\.\[([\w,]+)\]", line):
                named.update(extras.split(","))
    assert named
    assert named <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_per_cent_sign_is_one(page: Path) -> None:
    assert "%%" not in page.read_text(encoding="utf-8")


TABLE = "model  total         95 %\nmofa   0.848  0.832–0.862\npca    0.753  0.746–0.760\n"
RUN = (
    "engine: docker 20.10.24+dfsg1 (container)\n"
    "a/pca seed 0: started (612a8e646f23b15f)\n"
    "a/mofa seed 0: started (d2b0fc318156fa70)\n"
    "a/pca seed 0: complete in 3.4s\n"
    "a/mofa seed 0: complete in 1m 02s\n"
)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (TABLE, TABLE.replace("0.848", "0.851").replace("  ", "    ")),
        (TABLE.splitlines()[0] + "\n…\n", TABLE),
        ("…\n" + TABLE.splitlines()[2], TABLE),
        ("report: … (1.2 MiB in 3.4s)", "report: results (845.1 KiB in 1m 02s)"),
        (RUN, RUN.replace("20.10.24+dfsg1", "27.1.0").replace("612a8e646f23b15f", "0" * 16)),
        (RUN, RUN.replace("3.4s", "15.0s\na/pca seed 0: 15.0s · 2.0 MiB of 8.0 GiB · epoch 1")),
        (RUN, "".join(sorted(RUN.splitlines(keepends=True)[1:], reverse=True)).join(
            [RUN.splitlines(keepends=True)[0], ""])),
    ],
)  # fmt: skip
def test_what_differs_by_chance_is_passed_over(shown: str, printed: str) -> None:
    assert compare(shown, printed).differences == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (TABLE, TABLE.replace("0.848", "0.748")),
        (TABLE, TABLE.replace("pca ", "pca2")),
        (TABLE, TABLE + "one more line\n"),
        (TABLE, TABLE.replace("total", "sum")),
        (TABLE, ""),
        ("500 cells × 2,000 features", "500 cells × 2,001 features"),
        ("…\nlast\n", "first\nlast\nand more\n"),
        (RUN, RUN.replace("a/mofa seed 0: complete", "a/mofa seed 0: failed")),
        (RUN, RUN.replace("a/pca seed 0: complete in 3.4s\n", "")),
        (RUN, RUN + "a/pca seed 1: started (612a8e646f23b15f)\n"),
    ],
)
def test_what_a_page_gets_wrong_is_found(shown: str, printed: str) -> None:
    assert compare(shown, printed).differences


def test_digests_of_a_page_stand_for_those_of_a_run() -> None:
    match = compare("started (612a8e646f23b15f)", "started (d2b0fc318156fa70)")
    assert match.digests == {"612a8e646f23b15f": "d2b0fc318156fa70"}


def test_an_output_is_shown_anew_within_its_ellipses() -> None:
    old = "first 1.0\n…\nmodel  total\npca    0.5\n…\nend: 3\n"
    printed = "first 2.0\nother\nmodel  total  bio\npca    0.7    0.2\nnote\nend: 4\n"
    new = "first 2.0\n…\nmodel  total  bio\npca    0.7    0.2\n…\nend: 4\n"
    assert show_anew(old, printed) == new
    assert compare(new, printed).differences == []


def test_a_page_is_written_with_what_was_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# A\n\n```sh\na\n```\n\nThis:\n\n```text\nx 1\n…\n```\n\n```text\ny 2\n```\n\nEnd\n"
    page.write_text(text)
    (block, *_) = parse(text)
    printed = "x 3\nz\ny 4\n"
    match = compare("x 1\n…\n…\ny 2\n", printed)
    assert match.differences
    wanted = text.replace("x 1", "x 3").replace("y 2", "y 4")
    assert rewritten(page, [Followed(block, printed, match)]) == wanted


def test_marks_belong_to_the_block_below() -> None:
    text = "<!-- not run: no disk -->\n```sh\na\n```\n\n```text\nb\n```\n\n```sh\nc\n```\n"
    first, output, second = parse(text)
    assert (first.mark, first.reason, first.is_followed) == ("not run", "no disk", False)
    assert first.shown == [output]
    assert second.is_followed


def test_commands_after_a_prompt_go_on_after_a_backslash() -> None:
    assert commands("$ a \\\n    b\nsaid\n$ c\n") == ["a b", "c"]


def test_a_block_that_fails_is_no_page(tmp_path: Path) -> None:
    text = "```sh\nfalse\ntrue\n```\n\n```python\nPath('x')\n```\n"
    with Stage(tmp_path) as stage:
        for block in parse(text):
            with pytest.raises(Failed):
                stage.follow(block)


def test_blocks_of_python_share_their_names(tmp_path: Path) -> None:
    text = "```python\nimport os\nx = 2\n```\n\n```python\nprint(os.sep)\nx + 1\n```\n"
    with Stage(tmp_path) as stage:
        assert [stage.follow(block) for block in parse(text)] == ["", "/\n3\n"]
