"""Environments and dataset versions: what somebody uses stays, by content."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import multiverse
from multiverse.cleanup.clean import CleanupOutcome, CleanupPlan, CleanupRequest, find, remove
from multiverse.cleanup.removable import CleanupGroup
from multiverse.images.environment import MARKER, used_folders
from multiverse.registry.datasets import DatasetFolder, find_dataset
from multiverse.registry.home import cache, home
from multiverse.registry.models import find_models
from multiverse.runs.folder import ResultsFolder
from multiverse.specs.model import ModelSpec
from tests.conftest import TEST_MODELS, write_small
from tests.unit.cleanup.made import interrupt_attempt, keep_attempt, publish_run

DATASETS = CleanupRequest(groups=frozenset({CleanupGroup.DATASETS}))
ENVIRONMENTS = CleanupRequest(groups=frozenset({CleanupGroup.ENVIRONMENTS}))


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    (tmp_path / "results").mkdir()
    return ResultsFolder(tmp_path / "results")


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))


def go(results: ResultsFolder, found: CleanupPlan) -> CleanupOutcome:
    return remove(results.folder, found, lambda _item: None)


def two_versions(tmp_path: Path) -> tuple[DatasetFolder, str, str]:
    """A slug that stands for a second version; the names of the old one and of the new one."""
    for seed in (1, 2):
        path = write_small(tmp_path / f"small{seed}.h5ad", seed=seed)
        multiverse.register(path, slug="small", replace=seed == 2)
    folder = DatasetFolder("small", home())
    new = find_dataset("small").folder.name
    (old,) = {*folder.versions()} - {new}
    return folder, old, new


def test_a_replaced_version_that_no_run_used_goes_and_the_slug_stays(
    results: ResultsFolder, tmp_path: Path
) -> None:
    folder, old, new = two_versions(tmp_path)
    found = find(results.folder, DATASETS, [])
    assert [item.name for item in found.items] == [f"datasets/small/{old}"]
    outcome = go(results, found)
    assert outcome.failed == []
    assert folder.versions() == [new]
    assert find_dataset("small").data.is_file()
    assert not (home() / "datasets" / ".removing").exists()


@pytest.mark.parametrize("make", [publish_run, keep_attempt])
def test_a_version_that_a_run_refers_to_stays(
    results: ResultsFolder, tmp_path: Path, make: Callable[..., object]
) -> None:
    folder, old, _ = two_versions(tmp_path)
    make(results, dataset_fingerprint=folder.read(old).record.fingerprint)
    found = find(results.folder, DATASETS, [])
    assert found.items == ()
    assert [kept.name for kept in found.kept] == [f"datasets/small/{old}"]


def test_a_record_that_cannot_be_read_keeps_every_version(
    results: ResultsFolder, tmp_path: Path
) -> None:
    two_versions(tmp_path)
    run = publish_run(results)
    run.record.chmod(0o644)
    run.record.write_text("{")
    found = find(results.folder, DATASETS, [])
    assert found.items == ()
    assert f"pbmc/pca/{run.run_id}" in found.kept[0].why


def test_an_attempt_that_never_said_what_it_reads_keeps_every_version(
    results: ResultsFolder, tmp_path: Path
) -> None:
    two_versions(tmp_path)
    interrupt_attempt(results, started=False)
    assert find(results.folder, DATASETS, []).items == ()


def test_a_registration_that_was_killed_leaves_what_can_go_but_not_under_its_lock(
    results: ResultsFolder, tmp_path: Path
) -> None:
    folder, old, _ = two_versions(tmp_path)
    (folder.path / ".new-abcd").mkdir()
    found = find(results.folder, DATASETS, [])
    assert len(found.items) == 2
    with FileLock(folder.lock):
        outcome = go(results, found)
    assert {why for _, why in outcome.failed} == {"a registration is going on"}
    assert old in folder.versions()
    assert go(results, found).failed == []
    assert not (folder.path / ".new-abcd").exists()


def test_a_version_that_the_slug_has_come_to_stand_for_stays(
    results: ResultsFolder, tmp_path: Path
) -> None:
    folder, old, _ = two_versions(tmp_path)
    found = find(results.folder, DATASETS, [])
    folder.current.write_text(old + "\n")
    ((_, why),) = go(results, found).failed
    assert why == "the slug stands for it now"


def test_a_damaged_slug_and_links_are_left_alone(results: ResultsFolder, tmp_path: Path) -> None:
    folder, old, new = two_versions(tmp_path)
    folder.current.write_text("../../etc")
    (home() / "datasets" / "linked").symlink_to(folder.path)
    found = find(results.folder, DATASETS, [])
    assert found.items == ()
    assert {old, new} == {*folder.versions()}


def models() -> list[ModelSpec]:
    return list(find_models(["naughty", "pca"], [TEST_MODELS]).values())


def made(folder: Path, marker: str = '{"model": "old"}') -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / MARKER).write_text(marker)
    return folder


def test_environments_that_a_lock_makes_stay_and_others_go(results: ResultsFolder) -> None:
    used = [made(folder) for folder in used_folders(models(), cache=cache())]
    old = made(cache() / "environments" / ("0" * 16))
    cut = cache() / "environments" / ("1" * 16)
    cut.mkdir()
    sdk = made(cache() / "sdk" / ("2" * 16))
    (cache() / "sdk" / ".making-abcd").mkdir()
    mine = made(cache() / "environments" / "mine")
    found = find(results.folder, ENVIRONMENTS, models())
    assert {Path(item.name).name: item.why for item in found.items} == {
        "0" * 16: "made for old; no model known here has that lock",
        "1" * 16: "never finished",
        "2" * 16: "an SDK of other sources",
        ".making-abcd": "an SDK of other sources",
    }
    assert go(results, found).failed == []
    assert not any(path.exists() for path in (old, cut, sdk))
    assert all(path.is_dir() for path in [*used, mine])


def test_an_environment_that_is_being_made_or_runs_stays(results: ResultsFolder) -> None:
    being_made = made(cache() / "environments" / ("0" * 16))
    runs = made(cache() / "environments" / ("1" * 16))
    python = runs / "bin" / "python"
    python.symlink_to("/bin/sleep")
    sdk = made(cache() / "sdk" / ("2" * 16))
    found = find(results.folder, ENVIRONMENTS, models())
    sleeper = subprocess.Popen([python, "60"], env={**os.environ, "PYTHONPATH": str(sdk)})
    try:
        with FileLock(being_made.with_name(f".{being_made.name}.lock")):
            outcome = go(results, found)
    finally:
        sleeper.send_signal(signal.SIGKILL)
        sleeper.wait()
    assert {Path(item.name).name: why for item, why in outcome.failed} == {
        being_made.name: "another process is making it",
        runs.name: "a process runs in it",
        sdk.name: "a process runs in it",
    }


def test_a_marker_of_anything_is_no_problem(results: ResultsFolder) -> None:
    made(cache() / "environments" / ("0" * 16), marker='["\x1b[2J"]')
    (item,) = find(results.folder, ENVIRONMENTS, models()).items
    assert item.why == "never finished"
