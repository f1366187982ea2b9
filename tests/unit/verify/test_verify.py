"""Each difference is found where the damage is done for real, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multiverse.errors import ResultsError
from multiverse.events import BytesVerified, Event
from multiverse.facts import RunState
from multiverse.runs.folder import ResultsFolder, RunFolder
from multiverse.verify.comparison import DifferenceKind
from multiverse.verify.verify import verify_results
from tests.unit.cleanup.made import keep_attempt, make_record, publish_run


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


def kinds(results: ResultsFolder) -> list[tuple[DifferenceKind, str]]:
    return [(item.kind, item.place) for item in verify_results(results).differences]


def change_record(run: RunFolder, **changes: Any) -> None:
    content = json.loads(run.record.read_text())
    run.record.chmod(0o644)
    run.record.write_text(json.dumps({**content, **changes}))


def test_what_was_published_is_as_it_was_and_is_counted(results: ResultsFolder) -> None:
    runs = [publish_run(results, seed) for seed in range(3)]
    keep_attempt(results, 9)
    told: list[Event] = []
    found = verify_results(results, told.append)
    size = sum(path.stat().st_size for run in runs for path in run.folder.iterdir())
    assert found.differences == ()
    assert (found.runs, found.files, found.bytes) == (3, 3 * 7, size)
    read = [event for event in told if isinstance(event, BytesVerified)]
    assert {event.total for event in read} == {size}
    assert [event.done for event in read] == sorted(event.done for event in read)
    assert (read[0].done, read[-1].done) == (0, size)


def test_a_changed_byte_is_found_though_size_and_time_are_the_same(
    results: ResultsFolder,
) -> None:
    run = publish_run(results)
    before = run.embeddings.stat()
    content = bytearray(run.embeddings.read_bytes())
    content[3] ^= 1
    run.embeddings.chmod(0o644)
    run.embeddings.write_bytes(content)
    os.utime(run.embeddings, ns=(before.st_atime_ns, before.st_mtime_ns))
    (difference,) = verify_results(results).differences
    assert difference.kind is DifferenceKind.CHANGED
    assert difference.place == f"pbmc/pca/{run.run_id}/embeddings.h5"


def test_a_missing_file_and_an_unexpected_one(results: ResultsFolder) -> None:
    run = publish_run(results)
    run.umap.unlink()
    (run.folder / "notes; echo x\x1b[2J").write_text("mine")
    (run.folder / "folder").mkdir()
    where = f"pbmc/pca/{run.run_id}"
    assert kinds(results) == [
        (DifferenceKind.MISSING, f"{where}/umap.png"),
        (DifferenceKind.UNEXPECTED, f"{where}/folder"),
        (DifferenceKind.UNEXPECTED, f"{where}/notes; echo x\x1b[2J"),
    ]


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text('{"run_id": 1}'),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        make_fifo,
        lambda path: os.truncate(path, 17 * 1024**2),
    ],
    ids=["cut", "other", "bytes", "folder", "link", "fifo", "huge"],
)
def test_a_record_that_cannot_be_read(
    results: ResultsFolder, damage: Callable[[Path], object]
) -> None:
    run, whole = publish_run(results, 0), publish_run(results, 1)
    run.record.chmod(0o644)
    damage(run.record)
    assert kinds(results) == [(DifferenceKind.DAMAGED, f"pbmc/pca/{run.run_id}/run.json")]
    assert whole.record.is_file()


def test_a_run_without_a_record_is_known_by_its_name(results: ResultsFolder) -> None:
    run = publish_run(results)
    run.record.unlink()
    assert kinds(results) == [(DifferenceKind.MISSING, f"pbmc/pca/{run.run_id}/run.json")]


def test_a_folder_that_is_named_after_another_run(results: ResultsFolder) -> None:
    run = publish_run(results)
    results.runs_table.unlink()
    run.folder.rename(run.folder.with_name("0" * 16))
    assert kinds(results) == [(DifferenceKind.WRONG_NAME, f"pbmc/pca/{'0' * 16}")]


@pytest.mark.parametrize("place", ["pbmc/mofa", "other/pca", "pbmc", "a/b/c"])
def test_a_run_in_another_place(results: ResultsFolder, place: str) -> None:
    run = publish_run(results)
    target = results.folder / place / run.run_id
    target.parent.mkdir(parents=True, exist_ok=True)
    run.folder.rename(target)
    assert kinds(results) == [(DifferenceKind.WRONG_PLACE, f"{place}/{run.run_id}")]


def test_a_record_whose_identity_was_edited(results: ResultsFolder) -> None:
    run = publish_run(results)
    record = make_record()
    change_record(run, identity={**record.identity, "seed": 7})
    found = verify_results(results).differences
    assert {item.kind for item in found} == {DifferenceKind.WRONG_IDENTITY}
    assert any("seed is not the same" in item.message for item in found)
    assert any("is that of run" in item.message for item in found)


@pytest.mark.parametrize("field", ["seed", "parameters", "model_version", "dataset_fingerprint"])
def test_a_record_that_says_other_than_its_identity(results: ResultsFolder, field: str) -> None:
    run = publish_run(results)
    other = {"seed": 5, "parameters": {"n_components": 3}}.get(field, "9.9.9")
    change_record(run, **{field: other})
    (difference,) = verify_results(results).differences
    assert difference.kind is DifferenceKind.WRONG_IDENTITY
    assert difference.message.startswith(field.removesuffix("_fingerprint"))


@pytest.mark.parametrize("identity", [{}, {"seed": 0}, {"no": "such"}])
def test_an_identity_that_is_none(results: ResultsFolder, identity: dict[str, Any]) -> None:
    change_record(publish_run(results), identity=identity)
    assert [kind for kind, _ in kinds(results)] == [DifferenceKind.WRONG_IDENTITY]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "", "a\0b"])
def test_a_record_cannot_name_files_elsewhere(results: ResultsFolder, name: str) -> None:
    run = publish_run(results)
    checksums = json.loads(run.record.read_text())["checksums"]
    change_record(run, checksums={**checksums, name: "sha256:0"})
    (difference,) = verify_results(results).differences
    assert difference.kind is DifferenceKind.DAMAGED
    assert "is not the name of a file" in difference.message


def test_links_are_named_and_not_followed(results: ResultsFolder, tmp_path: Path) -> None:
    run = publish_run(results)
    secret = tmp_path / "secret"
    secret.write_bytes(run.embeddings.read_bytes())  # the checksum would fit
    run.embeddings.unlink()
    run.embeddings.symlink_to(secret)
    outside = tmp_path / "outside"
    shutil.copytree(run.folder, outside / "pca" / ("1" * 16))
    (results.folder / "linked").symlink_to(outside)
    assert kinds(results) == [
        (DifferenceKind.UNEXPECTED, "linked"),
        (DifferenceKind.CHANGED, f"pbmc/pca/{run.run_id}/embeddings.h5"),
    ]


def test_a_published_folder_with_the_record_of_a_failure(results: ResultsFolder) -> None:
    change_record(publish_run(results), state=RunState.FAILED)
    results.runs_table.unlink()
    assert [kind for kind, _ in kinds(results)] == [DifferenceKind.DAMAGED]


def test_a_half_copied_folder_names_what_did_not_arrive(
    results: ResultsFolder, tmp_path: Path
) -> None:
    """The copy was stopped: one run whole, one cut in a file, one without its end, one absent."""
    runs = [publish_run(results, seed) for seed in range(4)]
    copy = ResultsFolder(tmp_path / "copy")
    shutil.copytree(results.folder, copy.folder)
    cut, short, absent = (copy.run("pbmc", "pca", run.run_id) for run in runs[1:])
    cut.embeddings.chmod(0o644)
    os.truncate(cut.embeddings, 4)
    for path in (short.umap, short.record, short.log):
        path.unlink()
    shutil.rmtree(absent.folder)
    assert set(kinds(copy)) == {
        (DifferenceKind.CHANGED, f"pbmc/pca/{cut.run_id}/embeddings.h5"),
        (DifferenceKind.MISSING, f"pbmc/pca/{short.run_id}/run.json"),
        (DifferenceKind.MISSING, f"pbmc/pca/{absent.run_id}"),
    }


def test_another_mode_and_a_second_name_are_no_differences(
    results: ResultsFolder, tmp_path: Path
) -> None:
    """Copies are often writable, and backups made of hard links."""
    run = publish_run(results)
    run.embeddings.chmod(0o666)
    os.link(run.log, tmp_path / "backup")
    (results.folder / "figures" / "mine").mkdir(parents=True)
    (results.folder / "figures" / "mine" / "plot.txt").write_text("of somebody")
    assert kinds(results) == []


def test_nothing_is_written(results: ResultsFolder) -> None:
    publish_run(results)
    before = sorted((path, path.lstat().st_mtime_ns) for path in results.folder.rglob("*"))
    verify_results(results)
    after = sorted((path, path.lstat().st_mtime_ns) for path in results.folder.rglob("*"))
    assert before == after


def test_a_run_that_is_replaced_meanwhile_is_read_anew(results: ResultsFolder) -> None:
    """A runner renames a new folder into place while the old one is being read."""
    run = publish_run(results)
    run.embeddings.chmod(0o644)
    run.embeddings.write_text("damaged")
    aside = results.folder / ".aside"
    done = threading.Event()

    def replace(event: Event) -> None:
        if isinstance(event, BytesVerified) and event.done and not done.is_set():
            done.set()
            run.folder.rename(aside)
            publish_run(results)

    assert verify_results(results, replace).differences == ()
    assert done.is_set()


def test_no_folder_is_an_error_and_an_empty_one_is_well(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        verify_results(ResultsFolder(tmp_path / "none"))
    assert verify_results(ResultsFolder(tmp_path)).runs == 0


def test_an_interrupt_ends_it_at_once(results: ResultsFolder) -> None:
    for seed in range(20):
        publish_run(results, seed)

    def interrupt(event: Event) -> None:
        if isinstance(event, BytesVerified) and event.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_results(results, interrupt)
