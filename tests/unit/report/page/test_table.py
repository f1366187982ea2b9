"""The comparison table: what is behind a mean, raw and scaled, and who is not ranked."""

from __future__ import annotations

from pathlib import Path

from multiverse.report.page.source import read_sources
from multiverse.report.page.table import ComparisonTable, make_table
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import ScoresFile
from tests.unit.report.page.folder import Data, add_run, add_scores, make_folder


def table(results: ResultsFolder) -> ComparisonTable:
    found = make_table(read_sources(Results.open(results))[0])
    assert found is not None
    return found


def test_scaled_means_have_their_own_coverage(tmp_path: Path) -> None:
    results = make_folder(tmp_path, ["pca"], totals=(0.5,), unscaled=("bras", "kbet_per_label"))
    (row,) = table(results).rows
    assert (row.coverage, row.scaled_coverage) == ("5/5", "3/5")
    total, bio, batch = row.cells[:3]
    assert "From 5/5 metrics. Scaled 0.390 from the 3/5 metrics that have a scale." in total.tip
    assert "Scaled" in bio.tip
    assert "From 2/2 metrics." in batch.tip


def test_a_mean_with_a_clipped_value_has_a_star(tmp_path: Path) -> None:
    results = make_folder(tmp_path, ["pca"], totals=(0.97,))
    (row,) = table(results).rows
    clipped = [cell for cell in row.cells[3:] if cell.scaled and cell.scaled.clipped]
    assert clipped, "some metric is beyond the oracle"
    total = row.cells[0]
    assert total.scaled is not None
    assert total.scaled.shown.endswith("*")
    assert "(some clipped)" in total.tip
    (inside,) = table(make_folder(tmp_path / "inside", ["pca"], totals=(0.5,))).rows
    assert inside.cells[0].scaled is not None
    assert not inside.cells[0].scaled.shown.endswith("*")


def test_seeds_with_different_metrics_are_named(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    records = [add_run(results, data, "mofa", seed=seed) for seed in (0, 1)]
    evaluation = add_scores(results, data, [*records, add_run(results, data, "pca")])
    member = evaluation.members[records[0].run_id]
    scores = {**member.scores, "bras": member.scores["seed_stability"]}
    total = member.total.model_copy(update={"available": 4, "missing": ("bras",)})
    changed = member.model_copy(update={"scores": scores, "total": total})
    members = {**evaluation.members, records[0].run_id: changed}
    file = ScoresFile(
        dataset="small", evaluations=(evaluation.model_copy(update={"members": members}),)
    )
    results.scores("small").write_text(file.to_json())
    rows = {row.label.shown: row for row in table(results).rows}
    assert rows["mofa"].notes == ("its seeds have different metrics: not ranked",)
    assert (rows["mofa"].rank, rows["pca"].rank) == ("", "1")
    assert rows["mofa"].coverage == "4/5 5/5"
