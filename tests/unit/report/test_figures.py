"""Figures are drawn from whatever a folder has, and obey nothing that is written in it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pytest

from multiverse.errors import ResultsError
from multiverse.report.figures.style import FEW, GREY, MANY, colouring, name_of
from multiverse.report.figures.write import write_figures
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Sheet
from tests.unit.report.made import (
    keep_failure,
    make_evaluation,
    make_member,
    make_record,
    publish_run,
    scored_folder,
    write_embeddings,
    write_evaluation,
)

SVG = "{http://www.w3.org/2000/svg}"
EPOCHS = [{"epoch": n, "total": 3, "loss": 10.0 / n, "lr": 0.1} for n in (1, 2, 3)]


def texts(path: Path) -> list[str]:
    """Every text of an SVG, which must be well-formed and without a script."""
    root = ElementTree.fromstring(path.read_bytes())  # noqa: S314 - our own file
    tags = {element.tag for element in root.iter()}
    assert not tags & {f"{SVG}script", f"{SVG}foreignObject", f"{SVG}a"}
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def named(paths: list[Path]) -> set[str]:
    assert all(path.stat().st_size > 1000 for path in paths)
    assert {path.suffix for path in paths} <= {".svg", ".pdf"}
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths if path.suffix == ".pdf")
    return {path.stem for path in paths}


def folder(path: Path, labels: list[str] | None = None) -> ResultsFolder:
    results = ResultsFolder(path)
    runs = {}
    for model in ("pca", "mofa"):
        epochs = EPOCHS if model == "mofa" else []
        runs[model] = publish_run(results, make_record(model), epochs).run_id
    members = {run_id: make_member(model, 0.6, 0.7) for model, run_id in runs.items()}
    write_evaluation(results, make_evaluation(members))
    write_embeddings(results, runs, labels or ["B cell", "T cell", "unknown"] * 20)
    return results


def test_each_dataset_has_four_figures(tmp_path: Path) -> None:
    results = folder(tmp_path)
    written = write_figures(Results.open(results))
    assert named(written) == {"table-pbmc", "cost-pbmc", "training-pbmc", "umap-pbmc"}
    assert {path.parent for path in written} == {results.figures}
    table = texts(results.figures / "table-pbmc.svg")
    for words in (
        "pbmc, 60 cells",
        "pca",
        "mofa",
        "NMI (Leiden)",
        "0.640",
        "4/4",
        "1 =",
        "Controls",
    ):
        assert words in table
    umap = texts(results.figures / "umap-pbmc.svg")
    for words in ("By label (cell_type)", "By batch (donor)", "B cell", "not known", "d0"):
        assert words in umap
    assert "unknown" not in umap
    assert "loss" in texts(results.figures / "training-pbmc.svg")
    assert "Total score" in texts(results.figures / "cost-pbmc.svg")


def test_a_training_curve_is_drawn_over_what_it_is_per(tmp_path: Path) -> None:
    """A variance of each factor is no training, and neither is the time."""
    results = folder(tmp_path)
    (run,) = Results.open(results).find(model="mofa")
    content = {
        "model_metrics": {},
        "history": {"elbo": [-9, -4], "variance": [0.5, 0.1], "time": [1, 2]},
        "history_axes": {"elbo": {"per": "iteration", "at": [1, 6]}, "variance": {"per": "factor"}},
    }
    (run.folder / "metrics.json").unlink()
    (run.folder / "metrics.json").write_text(json.dumps(content))
    write_figures(Results.open(results))
    found = texts(results.figures / "training-pbmc.svg")
    assert "Iteration" in found
    assert "elbo" in found
    assert not {"Epoch", "variance", "time"} & set(found)


def test_points_are_pixels_and_words_are_words(tmp_path: Path) -> None:
    write_figures(Results.open(folder(tmp_path / "r")), tmp_path / "out")
    root = ElementTree.parse(tmp_path / "out" / "umap-pbmc.svg").getroot()  # noqa: S314
    assert len(list(root.iter(f"{SVG}image"))) == 4
    assert b"/FontFile2" in (tmp_path / "out" / "umap-pbmc.pdf").read_bytes()


def test_equal_results_give_equal_files(tmp_path: Path) -> None:
    results = folder(tmp_path / "r")
    first = {
        path.name: path.read_bytes()
        for path in write_figures(Results.open(results), tmp_path / "a")
    }
    again = {
        path.name: path.read_bytes()
        for path in write_figures(Results.open(results), tmp_path / "b")
    }
    assert first == again


HOSTILE = [
    "$x^2$", r"$\frac{", "\\", r"\input{/etc/passwd}", "<script>alert(1)</script>", "🧬 cell",
    "x" * 1_000_000, "x" * 1_000_000 + "y", "\x1b[31m\x00", "_", "", "]]>", "\u202egnp",
]  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    labels = [label.replace("\x00", "") for label in HOSTILE]
    results = folder(tmp_path / "r", labels * 4)
    publish_run(results, make_record("pca", 5, changed={"$a_b$": "\\" + "z" * 10_000}))
    write_evaluation(
        results,
        make_evaluation({make_record("pca", 5).run_id: make_member("pca", 0.5, 0.5)}),
    )
    write_figures(Results.open(results), tmp_path / "out")
    found = texts(tmp_path / "out" / "umap-pbmc.svg")
    for label in ("$x^2$", "\\", "<script>alert(1)</script>", "🧬 cell", "(no name)"):
        assert label in found
    assert {f"{name_of('x' * 99)} (1)", f"{name_of('x' * 99)} (2)"} <= set(found)
    assert "pca $a_b$=\\zzz" in "".join(texts(tmp_path / "out" / "table-pbmc.svg"))
    assert all(path.stat().st_size < 5_000_000 for path in (tmp_path / "out").iterdir())


def test_the_users_own_settings_do_not_count(tmp_path: Path) -> None:
    with matplotlib.rc_context({"text.usetex": True, "svg.fonttype": "path"}):
        write_figures(Results.open(folder(tmp_path / "r")), tmp_path / "out")
        assert matplotlib.rcParams["text.usetex"] is True
    assert "pca" in texts(tmp_path / "out" / "table-pbmc.svg")


def test_ten_thousand_labels_share_a_legend() -> None:
    values = [f"label {number}" for number in range(10_000)] + ["label 7"] * 5 + [None]
    found = colouring(values)
    assert next(iter(found.legend)) == "label 7"
    assert found.legend["9,979 others"] == GREY
    assert len(found.legend) == len(MANY) + 1
    assert found.colours[-1] == GREY
    assert len(found.colours) == len(values)


@pytest.mark.parametrize("number", [1, 2, 8, 9, 22])
def test_categories_have_colours_of_their_own(number: int) -> None:
    found = colouring([str(index) for index in range(number)])
    assert len(set(found.colours)) == number
    assert set(found.colours) <= {*FEW, *MANY}


def test_without_labels_batch_or_values_there_are_still_figures(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    run = publish_run(results, make_record())
    member = make_member("pca", None, None)
    write_evaluation(results, make_evaluation({run.run_id: member}, sheet=Sheet(), controls={}))
    write_embeddings(results, {"pca": run.run_id}, ["a"] * 12)
    assert named(write_figures(Results.open(results))) == {"table-pbmc", "umap-pbmc"}
    assert "n/a" in texts(results.figures / "table-pbmc.svg")


def test_fifty_runs_and_one_run(tmp_path: Path) -> None:
    scores = {f"m{number}": (0.5 + number / 200, 0.6) for number in range(50)}
    assert "cost-pbmc" in named(
        write_figures(Results.open(scored_folder(tmp_path / "many", scores)))
    )
    found = texts(tmp_path / "many" / "figures" / "table-pbmc.svg")
    assert {"m0", "m49"} <= set(found)
    assert named(write_figures(Results.open(scored_folder(tmp_path / "one", {"pca": (0.5, 0.5)}))))


def test_two_fingerprints_have_figures_of_their_own(tmp_path: Path) -> None:
    results = folder(tmp_path)
    record = publish_run(results, make_record(dataset_fingerprint="0" * 64))
    other = make_evaluation(
        {record.run_id: make_member("pca", 0.1, 0.1)}, dataset_fingerprint="0" * 64
    )
    first = make_evaluation({make_record("mofa").run_id: make_member("mofa", 0.6, 0.7)})
    write_evaluation(results, first, other)
    stems = named(write_figures(Results.open(results)))
    assert {"table-pbmc-ffffffff", "table-pbmc-00000000", "umap-pbmc-ffffffff"} <= stems
    assert "umap-pbmc-00000000" not in stems


@pytest.mark.parametrize("content", [b"", b"no HDF5"])
def test_damaged_embeddings_are_named(tmp_path: Path, content: bytes) -> None:
    results = folder(tmp_path)
    results.embeddings("pbmc").write_bytes(content)
    with pytest.raises(ResultsError, match=r"embeddings\.h5ad can't be read"):
        write_figures(Results.open(results))
    assert (results.figures / "training-pbmc.pdf").is_file()


def test_figures_of_earlier_scores_do_not_stay(tmp_path: Path) -> None:
    results = folder(tmp_path)
    write_figures(Results.open(results))
    for name in ("umap-gone.pdf", "cost-gone-00000000.svg"):
        (results.figures / name).write_text("of a dataset that has gone")
    mine = [results.figures / name for name in ("umap-notes.txt", "my-table.svg", "table-pbmc.png")]
    for path in mine:
        path.write_text("somebody's own")
    results.embeddings("pbmc").unlink()
    written = write_figures(Results.open(results))
    assert set(results.figures.iterdir()) == {*written, *mine}
    assert not [path for path in written if path.name.startswith("umap")]


def test_a_drawing_that_fails_leaves_no_older_one(tmp_path: Path) -> None:
    results = folder(tmp_path)
    write_figures(Results.open(results))
    results.embeddings("pbmc").write_bytes(b"no HDF5")
    with pytest.raises(ResultsError):
        write_figures(Results.open(results))
    assert not list(results.figures.glob("umap-*"))
    assert (results.figures / "table-pbmc.pdf").is_file()


def test_in_a_folder_of_the_users_nothing_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "paper"
    target.mkdir()
    (target / "umap-mine.pdf").write_text("mine")
    write_figures(Results.open(folder(tmp_path / "r")), target)
    assert (target / "umap-mine.pdf").read_text() == "mine"


def test_nothing_scored_gives_no_figures(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    keep_failure(results)
    assert write_figures(Results.open(results)) == []
