"""What is not there is said, with why; and nothing is called complete that is not."""

from __future__ import annotations

import re
from pathlib import Path

from multiverse.report.page import write_page
from multiverse.report.page.source import read_sources
from multiverse.report.page.table import make_table
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import ScoresFile
from tests.unit.report.page.folder import (
    Data,
    add_embeddings,
    add_failure,
    add_run,
    add_scores,
    make_folder,
)


def section(results: ResultsFolder, name: str = "unavailable") -> str:
    page = write_page(Results.open(results)).read_text()
    return page.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def complete(folder: Path) -> ResultsFolder:
    """A folder in which every metric has a value."""
    results = make_folder(folder)
    path = results.scores("small")
    file = ScoresFile.read(path)
    evaluation = file.evaluations[0]
    kept = tuple(fact for fact in evaluation.metrics if fact.name != "seed_stability")
    whole = evaluation.model_copy(update={"metrics": kept})
    path.write_text(file.model_copy(update={"evaluations": (whole,)}).to_json())
    return results


def test_a_folder_in_which_all_failed_has_not_everything(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    add_failure(results, data, "mofa")
    add_failure(results, data, "pca")
    found = section(results)
    assert "Everything is there" not in found
    assert "There are no scores, UMAPs or embeddings: no run completed." in found
    assert 'href="#failures"' in found


def test_one_that_failed_beside_others_is_counted(tmp_path: Path) -> None:
    results = complete(tmp_path)
    assert "Everything is there" in section(results)
    add_failure(results, Data(), "cobolt")
    found = section(results)
    assert "Everything is there" not in found
    assert "1 run did not complete, and has no scores and no UMAP." in found


def test_without_labels_the_columns_that_could_be_are_named(tmp_path: Path) -> None:
    advice = (
        "No labels were given, so biology can&#39;t be scored. Columns that could be labels: "
        "cell_type (3 groups). Use one: --label-key cell_type"
    )
    assert advice in section(make_folder(tmp_path / "without", data=Data(label=None)))
    assert "No labels were given" not in section(make_folder(tmp_path / "with"))


def test_the_values_behind_means_have_a_title_that_is_theirs(tmp_path: Path) -> None:
    results, data = ResultsFolder(tmp_path), Data()
    records = [add_run(results, data, "mofa", seed=seed) for seed in (0, 1)]
    evaluation = add_scores(results, data, records)
    members = {}
    for record, other in (records, records[::-1]):
        member = evaluation.members[record.run_id]
        kept = member.scores["neighbourhood_preservation"]
        stable = kept.model_copy(update={"parts": {other.run_id: 0.75}})
        scores = {**member.scores, "seed_stability": stable}
        members[record.run_id] = member.model_copy(update={"scores": scores})
    both = evaluation.model_copy(update={"members": members})
    file = ScoresFile(dataset=data.slug, evaluations=(both,))
    results.scores(data.slug).write_text(file.to_json())
    add_embeddings(results, data, records)
    found = section(results, "comparison")
    title = "The values behind Neighbourhood preservation and Seed stability"
    assert f"<summary>{title}</summary>" in found
    assert "Seed stability, mofa: seed 0 0.750 and seed 1 0.750." in found


def test_whoever_points_at_something_reads_sentences(tmp_path: Path) -> None:
    table = make_table(read_sources(Results.open(make_folder(tmp_path)))[0])
    assert table is not None
    tips = [cell.tip for row in (*table.rows, *table.controls) for cell in row.cells]
    tips += [column.description for column in table.columns]
    for tip in tips:
        assert re.fullmatch(r"[A-Za-z0-9].*\.", tip), tip
        assert not re.search(r"\. [a-z]|[;.] *\.|;", tip), tip


def test_without_scores_labels_are_those_of_the_embeddings(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    results.scores("small").unlink()
    found = section(results, "dataset")
    assert "Labels (<bdi>cell_type</bdi>): 3" in found
    assert "Batches (<bdi>batch</bdi>): 2" in found
    results.embeddings("small").unlink()
    found = section(results, "dataset")
    assert "Labels: not looked at yet" in found
