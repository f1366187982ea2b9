"""What can go is listed with its reason; what somebody needs is never touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiverse.cleanup.clean import CleanupOutcome, CleanupPlan, CleanupRequest, find, remove
from multiverse.cleanup.removable import ASIDE, CleanupGroup, occupied
from multiverse.engines.local import scratch_prefix
from multiverse.engines.local_process import LABELS_VARIABLE, label_lines
from multiverse.errors import ResultsError, UsageError
from multiverse.facts import Cause, RunState
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.lock import RunLocks
from multiverse.verify.verify import verify_results
from tests.unit.cleanup.made import interrupt_attempt, keep_attempt, publish_run

ATTEMPTS = CleanupRequest(groups=frozenset({CleanupGroup.ATTEMPTS, CleanupGroup.LEFTOVERS}))


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


def look(results: ResultsFolder, wanted: CleanupRequest = ATTEMPTS) -> CleanupPlan:
    return find(results.folder, wanted, [])


def clean(results: ResultsFolder, wanted: CleanupRequest = ATTEMPTS) -> CleanupOutcome:
    return remove(results.folder, look(results, wanted), lambda _item: None)


def place(attempt: AttemptFolder) -> str:
    return f"attempts/{attempt.folder.parent.name}/{attempt.number}"


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_attempts_are_listed_with_their_causes_and_sizes_and_go_when_told(
    results: ResultsFolder,
) -> None:
    failed = keep_attempt(results, 1)
    cancelled = keep_attempt(results, 2, RunState.CANCELLED, Cause.CANCELLED)
    interrupted = interrupt_attempt(results, 3)
    unstarted = interrupt_attempt(results, 4, started=False)
    run = publish_run(results, 5)
    found = look(results)
    assert {item.name: item.why for item in found.items} == {
        place(failed): "failed: out of memory",
        place(cancelled): "cancelled: cancelled",
        place(interrupted): "interrupted: its runner was killed",
        place(unstarted): "interrupted before anything was started",
    }
    assert all(item.size == occupied(results.folder / item.name) > 0 for item in found.items)
    assert failed.folder.is_dir(), "looking removes nothing"
    outcome = clean(results)
    assert outcome.failed == []
    assert outcome.freed == found.size
    assert tree(results.attempts) == set()
    assert run.record.is_file()
    assert "out_of_memory" not in results.runs_table.read_text()
    assert verify_results(results).differences == ()


def test_what_is_not_applicable_spares_a_re_run_and_stays_unless_all_are_meant(
    results: ResultsFolder,
) -> None:
    attempt = keep_attempt(results, 1, RunState.NOT_APPLICABLE, Cause.NOT_APPLICABLE)
    assert [kept.name for kept in look(results).kept] == [place(attempt)]
    assert clean(results).removed == []
    clean(results, CleanupRequest(ATTEMPTS.groups, all_attempts=True))
    assert not attempt.folder.exists()


def test_an_attempt_with_a_damaged_record_can_go(results: ResultsFolder) -> None:
    attempt = keep_attempt(results, 1)
    attempt.record.write_text("{")
    (item,) = look(results).items
    assert "can't be read" in item.why


def test_an_attempt_that_holds_a_replaced_run_stays(results: ResultsFolder) -> None:
    """Killed between two renames: the only copy of a published run lies in the attempt."""
    run = publish_run(results)
    attempt = interrupt_attempt(results)
    run.folder.rename(attempt.folder / "replaced")
    assert look(results).items == ()
    assert "it replaces" in look(results).kept[0].why


@pytest.fixture
def holder(results: ResultsFolder) -> Iterator[int]:
    """Another process that works on the attempt of seed 1."""
    attempt = keep_attempt(results, 1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        RunLocks(results).acquire(attempt.folder.parent.name)
        os.write(writer, b"1")
        signal.pause()
        os._exit(0)
    assert os.read(reader, 1) == b"1"
    yield child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_living_process_works_on_stays_and_it_is_named(
    results: ResultsFolder, holder: int
) -> None:
    other = keep_attempt(results, 2)
    found = look(results)
    assert [item.name for item in found.items] == [place(other)]
    assert f"process {holder} on" in found.kept[0].why


def test_a_lock_that_is_taken_after_the_look_is_heeded(results: ResultsFolder) -> None:
    attempt = keep_attempt(results, 1)
    found = look(results)
    locks = RunLocks(results)
    assert locks.acquire(attempt.folder.parent.name)
    outcome = remove(results.folder, found, lambda _item: None)
    ((_, why),) = outcome.failed
    assert f"process {os.getpid()} on" in why
    assert attempt.record.is_file()
    locks.release_all()
    assert clean(results).failed == []


def test_looking_takes_no_lock_from_a_runner(results: ResultsFolder) -> None:
    attempt = keep_attempt(results, 1)
    run_id = attempt.folder.parent.name
    results.run_lock(run_id).write_text("process 1 on elsewhere")
    look(results)
    assert RunLocks(results).acquire(run_id)


def test_a_process_that_outlived_its_runner_keeps_its_attempt(
    results: ResultsFolder,
) -> None:
    attempt = interrupt_attempt(results, 1)
    labels = {
        **owner_labels(results, attempt.folder.parent.name),
        "multiverse.attempt": "1",
    }
    environment = {**os.environ, LABELS_VARIABLE: "\n".join(label_lines(labels))}
    pipe = subprocess.PIPE
    outlived = subprocess.Popen(["/bin/cat"], env=environment, stdin=pipe, stdout=pipe)
    try:
        # What has answered has its own environment, and no longer that of this process.
        assert outlived.stdin is not None
        assert outlived.stdout is not None
        outlived.stdin.write(b"there\n")
        outlived.stdin.flush()
        assert outlived.stdout.readline() == b"there\n"
        (kept,) = look(results).kept
        assert kept.name == place(attempt)
        assert "its process is still there" in kept.why
    finally:
        outlived.kill()
        outlived.communicate()
    assert [item.name for item in look(results).items] == [place(attempt)]


def test_without_a_daemon_nobody_knows_whether_a_container_is_left(
    results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    docker, local = interrupt_attempt(results, 1, "docker"), interrupt_attempt(results, 2, "local")
    found = look(results)
    assert [item.name for item in found.items] == [place(local)]
    assert [kept.name for kept in found.kept] == [place(docker)]


def test_leftovers_of_killed_processes(results: ResultsFolder, tmp_path: Path) -> None:
    run = publish_run(results)
    (results.folder / ".runs.csv.ab12_cd9").write_text("half")
    (results.folder / ".mine.csv").write_text("of somebody")
    results.run_lock("a" * 16).write_text("process 1 on elsewhere")
    (results.attempts / ("b" * 16)).mkdir()
    (results.attempts / "notes").mkdir()
    aside = results.attempts.joinpath(*ASIDE, "0123")
    (aside / "output").mkdir(parents=True)
    prefix = scratch_prefix(owner_labels(results, "c" * 16))
    scratch = Path(tempfile.mkdtemp(prefix=prefix))
    assert {item.name for item in look(results).items} == {
        ".runs.csv.ab12_cd9",
        f"attempts/{'a' * 16}.lock",
        f"attempts/{'b' * 16}",
        "attempts/.removing/all/0123",
        str(scratch),
    }
    assert clean(results).failed == []
    assert not scratch.exists()
    assert tree(results.attempts) == {"notes"}
    assert (results.folder / ".mine.csv").is_file()
    assert run.record.is_file()


def test_published_runs_go_only_when_named_and_with_the_extra_word(
    results: ResultsFolder,
) -> None:
    first, second = publish_run(results, 1), publish_run(results, 2)
    failed = keep_attempt(results, 1)
    assert clean(results, CleanupRequest(ATTEMPTS.groups, runs=(first.run_id[:6],))).removed
    assert not failed.folder.exists()
    assert first.record.is_file()
    with pytest.raises(UsageError, match="only runs that are named"):
        look(results, CleanupRequest(published=True))
    outcome = clean(results, CleanupRequest(runs=(first.run_id[:6],), published=True))
    assert [item.group for item in outcome.removed] == [CleanupGroup.PUBLISHED]
    assert not first.folder.exists()
    assert second.record.is_file()
    assert verify_results(results).differences == (), "the table lists it no more"


@pytest.mark.parametrize("name", ["../../etc", "a'; echo x", "", "..", "/", "abc", "*", "ABCD"])
def test_what_is_no_run_id_is_refused(results: ResultsFolder, name: str) -> None:
    publish_run(results)
    with pytest.raises(UsageError, match="not the id of a run"):
        look(results, CleanupRequest(runs=(name,), published=True))


def test_an_id_that_is_unknown_or_not_unique_is_refused(results: ResultsFolder) -> None:
    for name in ("abcd" + "0" * 12, "abcd" + "1" * 12):
        (results.folder / "d" / "m" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="could be 2 runs"):
        look(results, CleanupRequest(runs=("abcd",)))
    with pytest.raises(UsageError, match="no run of this folder"):
        look(results, CleanupRequest(runs=("1234",)))


def test_links_never_lead_out_of_the_folder(results: ResultsFolder, tmp_path: Path) -> None:
    """Links in the place of every part of the path, and inside what is removed."""
    outside = tmp_path / "outside"
    victim = outside / ("a" * 16) / "1"
    victim.mkdir(parents=True)
    (victim / "run.json").write_text("{")
    (outside / "file").write_text("precious")
    attempt = keep_attempt(results, 1)
    (attempt.output.folder / "link").symlink_to(outside)
    (attempt.output.folder / "file").symlink_to(outside / "file")
    (attempt.output.folder / "loop").symlink_to(attempt.folder)
    (results.attempts / ("a" * 16)).symlink_to(outside / ("a" * 16))
    (results.attempts / ("b" * 16)).mkdir()
    (results.attempts / ("b" * 16) / "1").symlink_to(victim)
    (results.attempts / ("c" * 16 + ".lock")).symlink_to(outside / "file")
    (results.folder / ".runs.csv.abcdefgh").symlink_to(outside / "file")
    before = tree(outside)
    clean(results)
    assert tree(outside) == before
    assert (outside / "file").read_text() == "precious"
    assert not attempt.folder.exists()


def test_a_folder_of_attempts_that_is_a_link_is_left_alone(
    results: ResultsFolder, tmp_path: Path
) -> None:
    keep_attempt(results, 1)
    results.attempts.rename(tmp_path / "elsewhere")
    results.attempts.symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    assert clean(results).removed == []
    assert tree(tmp_path / "elsewhere") == before


def test_a_link_put_in_place_after_the_look_is_not_followed(
    results: ResultsFolder, tmp_path: Path
) -> None:
    attempt = keep_attempt(results, 1)
    found = look(results)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(attempt.folder.parent, elsewhere)
    attempt.folder.parent.symlink_to(elsewhere)
    outcome = remove(results.folder, found, lambda _item: None)
    assert outcome.removed == []
    assert (elsewhere / "1" / "run.json").is_file()


def test_names_that_are_not_those_of_runs_are_left_alone(results: ResultsFolder) -> None:
    for name in ("a'; echo x", "-rf", "\x1b[2J", "A" * 16, "0" * 17):
        (results.attempts / name / "1").mkdir(parents=True)
    for name in ("one", "1;2", "²"):
        (results.attempts / ("a" * 16) / name).mkdir(parents=True)
    before = tree(results.attempts)
    clean(results)
    assert tree(results.attempts) == before


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="multiverse-test-care-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_what_a_model_made_unreadable_goes_too(open_place: Path) -> None:
    """As another user where the tests run as root: for root nothing is unreadable."""
    results = ResultsFolder(open_place / "results")
    attempt = keep_attempt(results, 1)
    deep = attempt.output.folder / "deep" / "er"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    root = os.getuid() == 0
    if root:
        for path in [open_place, *open_place.rglob("*")]:
            os.chown(path, 65534, 65534)
    for folder in (deep, deep.parent, attempt.output.folder):
        folder.chmod(0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if root:
                os.setgid(65534)
                os.setuid(65534)
            said = str(clean(results).failed)
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10_000) == b"[]"
    assert not attempt.folder.exists()


def test_a_clean_up_that_is_killed_leaves_each_attempt_whole_or_gone(
    results: ResultsFolder,
) -> None:
    """Ctrl-C in the middle of a large attempt: it is aside, and the next clean-up ends it."""
    attempts = [keep_attempt(results, seed) for seed in range(2)]
    for attempt in attempts:
        for number in range(4000):
            (attempt.output.folder / f"{number}").touch()
    whole = {attempt.folder: len(tree(attempt.folder)) for attempt in attempts}
    words = [sys.executable, "-m", "multiverse", "clean", str(results.folder), "--attempts"]
    # A shell that runs tests in the background lets them, and so their children, ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([*words, "--yes"], stdout=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, before)
    aside = results.attempts.joinpath(*ASIDE)
    while process.poll() is None and not aside.is_dir():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    for folder, count in whole.items():
        assert not folder.exists() or len(tree(folder)) == count
    clean(results)
    assert tree(results.attempts) == set()


def test_hard_links_and_sparse_files_are_counted_for_what_they_free(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    empty = occupied(folder)
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 10**9)
    (tmp_path / "shared").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "shared", folder / "shared")
    (folder / "link").symlink_to("/usr")
    assert occupied(folder) == empty
    os.link(folder / "shared", folder / "again")
    (tmp_path / "shared").unlink()
    assert 100_000 <= occupied(folder) - empty < 200_000


def test_no_results_folder_is_an_error_where_it_matters(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        find(tmp_path / "none", CleanupRequest(), [])
