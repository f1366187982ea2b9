"""BibTeX that BibTeX can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multiverse.report.text.bibtex import bibtex, entries, escape
from multiverse.report.text.references import ANNDATA, SCIB, Reference, cited_models
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from tests.unit.report.made import make_record, publish_run, scored_folder

FIELD = re.compile(r"\s*([a-z]+) = ")
REQUIRED = {"article": {"author", "title", "journal", "year"}, "misc": {"title"}}


def parse(text: str) -> dict[str, dict[str, str]]:
    """Key → fields, by BibTeX's own rules: braces are counted, escaped or not."""
    found: dict[str, dict[str, str]] = {}
    place = 0
    while match := re.compile(r"@(\w+)\{([^\s,{}%#\\]+),").search(text, place):
        assert "@" not in text[place : match.start()]
        fields, place = _fields(text, match.end())
        assert match[2] not in found
        assert REQUIRED[match[1]] <= fields.keys()
        found[match[2]] = fields
    assert "@" not in text[place:]
    return found


def _fields(text: str, place: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while match := FIELD.match(text, place):
        value, place = _braced(text, match.end())
        assert match[1] not in fields
        fields[match[1]] = value
        if text[place] == ",":
            place += 1
    end = re.compile(r"\s*\}").match(text, place)
    assert end is not None
    return fields, end.end()


def _braced(text: str, place: int) -> tuple[str, int]:
    assert text[place] == "{"
    depth, end = 1, place + 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[place + 1 : end - 1], end


def test_every_method_of_a_benchmark_is_cited(tmp_path: Path) -> None:
    found = parse(bibtex(Results.open(scored_folder(tmp_path / "r"))))
    dois = {fields.get("doi") for fields in found.values()}
    assert dois >= {
        "10.1016/0167-9473(94)90135-X",
        "10.1186/s13059-020-02015-1",
        "10.1038/s41592-020-01050-x",
        "10.1038/s41592-021-01336-8",
        "10.1038/s41587-025-02743-4",
        "10.1038/s41592-018-0254-1",
        "10.1038/s41592-019-0619-0",
        "10.1186/s13059-021-02577-8",
        "10.21105/joss.04371",
    }
    scib = found["luecken2022benchmarking"]
    assert scib["pages"] == "41--50"
    assert scib["volume"] == "19"
    assert scib["author"].startswith("Luecken, M. D. and Büttner, M. and ")
    assert any(fields.get("note") == "version 0.5.10" for fields in found.values())


def test_what_has_no_citation_is_said(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    publish_run(results, make_record("my_own"))
    text = bibtex(Results.open(results))
    assert "% Not listed, no citation is known here: my_own." in text
    assert "no citation of datasets: pbmc." in text
    assert {fields["title"] for fields in parse(text).values()} == {
        "{MUON: multimodal omics analysis framework}",
        "{anndata: Access and store annotated data matrices}",
    }
    assert not any("lisi" in key or "scib" in key for key in parse(text))


@pytest.mark.parametrize(
    "title", ["} @misc{x, title={y}", r"\input{/etc/passwd} $x^2$", "50 % of {all} & #1_~", '"', ""]
)
def test_hostile_titles_stay_in_their_field(title: str) -> None:
    reference = Reference(authors="{O'Neil} A@B", title=title, journal=title, doi="10.1/}", year=1)
    found = parse(entries([reference])[0].replace("@B", "B"))
    assert len(found) == 1
    assert "doi" not in next(iter(found.values()))


def test_specials_are_escaped() -> None:
    assert escape("a_b & 5% {x} \\y") == (
        r"a\_b \& 5\% \textbraceleft{}x\textbraceright{} \textbackslash{}y"
    )


def test_keys_are_unique() -> None:
    again = Reference(authors="Luecken MD", title="Benchmarking others", journal="J", year=2022)
    found = parse("\n".join(entries([SCIB, again, ANNDATA])))
    assert list(found) == [
        "luecken2022benchmarking",
        "luecken2022benchmarking-2",
        "virshup2024anndata",
    ]


@pytest.mark.parametrize(("built_in", "cited"), [(True, True), (None, True), (False, False)])
def test_a_model_of_another_with_the_name_of_ours_is_not_cited_as_ours(
    tmp_path: Path, built_in: bool | None, cited: bool
) -> None:
    results = ResultsFolder(tmp_path / "r")
    publish_run(results, make_record("pca", built_in=built_in))
    (model,) = cited_models(Results.open(results))
    assert (model.reference is not None) is cited
    assert (model.title != "pca") is cited
