"""What Python does with a results folder is what the commands do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiverse.api import (
    clean,
    compare,
    find_run,
    open_results,
    report,
    status,
    verify,
    watch,
)
from multiverse.cleanup import CleanupGroup, CleanupPlan, CleanupRequest
from multiverse.errors import UsageError
from multiverse.events import Event, Noted
from multiverse.runs.folder import ResultsFolder
from tests.unit.cleanup.made import keep_attempt, publish_run


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    """Two complete runs, and an attempt that failed."""
    made = ResultsFolder(tmp_path / "results")
    for seed in (0, 1):
        publish_run(made, seed)
    keep_attempt(made, 2)
    return made


def test_a_run_is_found_by_its_folder_or_its_id(results: ResultsFolder) -> None:
    found = open_results(results.folder)
    assert len(found) == 3
    for run in found:
        assert find_run(run.record.run_id[:10], results.folder).folder == run.folder
        assert find_run(str(run.folder), "nowhere").record == run.record
    with pytest.raises(UsageError, match="no run in"):
        find_run("zzzz", results.folder)


def test_a_report_says_what_is_damaged(results: ResultsFolder) -> None:
    record = results.folder / "pbmc" / "pca"
    broken = next(record.iterdir()) / "run.json"
    broken.chmod(0o644)
    broken.write_text("{")
    done = report(results.folder, output=results.folder / "page.html")
    assert results.folder / "page.html" in done.report.written
    (line,) = done.damaged
    assert str(broken) in line


def test_a_page_in_a_results_folder_goes_through_no_link(
    results: ResultsFolder, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "page.html").write_text("mine")
    (results.folder / "page.html").symlink_to(private / "page.html")
    (results.folder / "pages").symlink_to(private)
    (tmp_path / "way").symlink_to(results.folder)
    report(tmp_path / "way", output=tmp_path / "way" / "page.html")
    assert not (results.folder / "page.html").is_symlink()
    done = report(results.folder, output=results.folder / "pages" / "page.html")
    assert [item.name for item in done.report.failed] == ["page"]
    assert (private / "page.html").read_text() == "mine"
    (tmp_path / "mine.html").symlink_to(private / "page.html")
    report(results.folder, output=results.folder / ".." / "mine.html")
    assert "<html" in (private / "page.html").read_text(), "a link of the user's own is followed"


def test_a_page_takes_no_other_things_place(results: ResultsFolder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    for page in (tmp_path / "fifo", tmp_path / "link"):
        with pytest.raises(UsageError, match="that is a FIFO"):
            report(results.folder, output=page)
    assert (tmp_path / "fifo").is_fifo()


def test_a_folder_differs_neither_from_its_records_nor_from_itself(results: ResultsFolder) -> None:
    assert verify(results.folder).differences == ()
    difference = compare(results.folder, results.folder)
    (pair,) = difference.pairs
    assert list(pair.identity) == []
    assert (list(difference.only_before), list(difference.only_after)) == ([], [])


def test_nothing_is_removed_unless_it_is_told(results: ResultsFolder) -> None:
    wanted = CleanupRequest(groups=frozenset({CleanupGroup.ATTEMPTS}))
    listed = clean(results.folder, wanted)
    assert listed.outcome is None
    (item,) = listed.plan.items
    told: list[object] = []

    def found(plan: CleanupPlan) -> None:
        told.append([each.name for each in plan.items])

    def tell(event: Event) -> None:
        told.append(event.message if isinstance(event, Noted) else event)

    done = clean(results.folder, wanted, remove=True, found=found, tell=tell)
    assert told == [[item.name], f"removed {item.name}"]
    assert done.outcome is not None
    assert [each.name for each in done.outcome.removed] == [item.name]
    assert clean(results.folder, wanted).plan.items == ()


def test_where_nothing_runs_watching_ends_at_once(results: ResultsFolder) -> None:
    assert [state.jobs for state in watch(results.folder, 60.0)] == [status(results.folder).jobs]
