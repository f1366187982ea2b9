"""Surroundings that users have: links everywhere, folders of others, backups, a umask."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import TEST_MODELS, write_small
from tests.engine.conftest import _naughty_environment

__all__ = ["_naughty_environment"]
#: A user whose rights are those of the modes: root without what makes it root.
ORDINARY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
QUIET = ("--engine", "local", "--no-mlflow", "--no-evaluate")


@dataclass
class Place:
    """A folder with everything in it, behind links or not, and commands that work there."""

    real: Path
    shown: Path
    ordinary: bool
    umask: int = 0o022
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: object) -> tuple[int, str]:
        prefix = ORDINARY if self.ordinary and os.geteuid() == 0 else ()
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "multiverse", *map(str, arguments)],
            cwd=self.shown / "work",
            env={**os.environ, "PWD": str(self.shown / "work"), **self.environment},
            umask=self.umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def says(self, *arguments: object) -> str:
        code, said = self.command(*arguments)
        assert code == 0, said
        return said

    def fill(self) -> str:
        """Register a dataset and run a model on it; the id of its run."""
        write_small(self.real / "data" / "small.h5ad")
        self.says("register", self.shown / "data" / "small.h5ad", "--slug", "small")
        (self.real / "data" / "benchmark.yaml").write_text(
            "datasets: [small]\nmodels: [{model: naughty, parameters: {behaviour: good}}]\n"
        )
        self.run(self.shown / "results")
        (run,) = self.results.glob("small/naughty/*")
        return run.name

    def run(self, output: Path | str) -> str:
        benchmark = self.shown / "data" / "benchmark.yaml"
        models = ("--models-dir", TEST_MODELS)
        return self.says("run", benchmark, *models, "--output", output, *QUIET)

    @property
    def results(self) -> Path:
        return self.real / "results"


def made(folder: Path, shown: Path, *, ordinary: bool) -> Place:
    for name in ("home", "store", "tmp", "data", "results", "work"):
        (folder / name).mkdir(parents=True)
    variables = {"HOME": "home", "MULTIVERSE_HOME": "store", "TMPDIR": "tmp"}
    environment = {name: str(shown / place) for name, place in variables.items()}
    return Place(folder, shown, ordinary, environment=environment)


@pytest.fixture(params=[False, True], ids=["as-it-is", "ordinary"])
def ordinary(request: pytest.FixtureRequest) -> bool:
    if request.param and os.geteuid() == 0 and shutil.which(ORDINARY[0]) is None:
        pytest.skip("no setpriv to give up the rights of root with")
    return bool(request.param)


@pytest.fixture
def place(tmp_path: Path, _naughty_environment: None) -> Place:
    return made(tmp_path / "real", tmp_path / "real", ordinary=True)


@pytest.mark.usefixtures("_naughty_environment")
def test_everything_behind_links(tmp_path: Path, ordinary: bool) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    place = made(tmp_path / "real", shown, ordinary=ordinary)
    cache = Path(os.environ["MULTIVERSE_CACHE"])
    for target in (*place.real.iterdir(), TEST_MODELS, cache):
        (shown / target.name).symlink_to(target)
    place.environment["MULTIVERSE_CACHE"] = str(shown / cache.name)
    run_id = place.fill()
    results = f"{shown}/results/"
    place.run(results)
    assert len(list(place.results.glob("small/naughty/*"))) == 1
    (place.real / "work" / "out").symlink_to(place.real / "tmp")
    place.says("report", results, "--output", "out/page.html", "--figures")
    assert (place.real / "tmp" / "page.html").is_file()
    for folder in (results, f"{place.real}/work/../results", place.results / ".." / "results"):
        place.says("runs", folder)
        place.says("status", folder)
        place.says("verify", folder)
        place.says("show", run_id, "--results", folder)
        place.says("report", folder)
    place.says("show", f"{results}small/naughty/{run_id}/")
    place.says("compare", results, place.results)
    place.says("clean", results, "--yes", "--attempts")
    assert not list((place.real / "tmp").glob("multiverse-*"))  # scratch folders of the jobs
    (place.real / "work" / "demo").symlink_to(place.real / "data")
    code, said = place.command("demo", "demo", "--cells", 60)
    assert code == 0, said
    assert (place.real / "data" / "simulated.h5mu").is_file()


@pytest.mark.usefixtures("_naughty_environment")
def test_a_parent_that_may_only_be_passed_through(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    place = made(outer / "real", outer / "real", ordinary=True)
    outer.chmod(0o111)
    try:
        run_id = place.fill()
        place.says("report", place.results)
        place.says("show", run_id, "--results", place.results)
        place.says("clean", place.results, "--yes", "--attempts")
    finally:
        outer.chmod(0o755)


def test_results_of_another_user_are_read(place: Place) -> None:
    run_id = place.fill()
    close(place.results)
    try:
        before = listing(place.results)
        page = place.real / "tmp" / "page.html"
        place.says("runs", place.results)
        place.says("status", place.results)
        place.says("verify", place.results)
        place.says("show", run_id, "--results", place.results)
        place.says("compare", place.results, place.results)
        code, said = place.command("report", place.results, "--output", page)
        assert page.is_file(), said
        assert code in (0, 5), said
        code, said = place.command("report", place.results)
        assert (code, "can't be written" in said) == (5, True), said
        code, said = place.command("clean", place.results, "--yes", "--attempts")
        assert code in (0, 5), said
        assert listing(place.results) == before
    finally:
        for path in (place.results, *place.results.rglob("*")):
            path.chmod(0o755)


def close(folder: Path) -> None:
    """Let a folder be read only, and where that can be done, be another user's."""
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)


def listing(folder: Path) -> list[tuple[str, int, int]]:
    found = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return [(str(path), facts.st_ino, facts.st_mtime_ns) for path, facts in found]


def test_a_backup_by_hard_links_is_read(place: Place, tmp_path: Path) -> None:
    run_id = place.fill()
    place.says("report", place.results)
    backup = tmp_path / "backup"
    subprocess.run(["/bin/cp", "-al", place.results, backup], check=True)
    assert (backup / "small" / "naughty" / run_id / "run.json").stat().st_nlink == 2
    for folder in (place.results, backup):
        assert run_id[:8] in place.says("runs", folder)
        place.says("status", folder)
        place.says("verify", folder)
        place.says("show", run_id, "--results", folder)
        place.says("report", folder)
        place.says("clean", folder, "--yes", "--attempts")
    place.says("compare", place.results, backup)
    place.run(backup)
    place.says("verify", place.results)  # what was written to the one is not in the other


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_hard_link_to_the_file_of_another_owner_is_not_read(place: Place) -> None:
    run_id = place.fill()
    record = place.results / "small" / "naughty" / run_id / "run.json"
    os.link(record, place.real / "private.json")
    os.chown(record, 65534, 65534)
    record.chmod(0o644)
    code, said = place.command("runs", place.results)
    assert code == 0, said
    assert "hard link" in said
    assert "complete" not in said


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o022])
def test_what_is_written_follows_the_umask(place: Place, umask: int) -> None:
    place.umask = umask
    place.fill()
    place.says("report", place.results, "--figures")
    failing = place.real / "data" / "failing.yaml"
    failing.write_text(
        "datasets: [small]\nmodels: [{model: naughty, parameters: {behaviour: fail}}]\n"
    )
    models = ("--models-dir", TEST_MODELS)
    code, said = place.command("run", failing, *models, "--output", place.results, *QUIET)
    assert code == 1, said
    attempts = list(place.results.glob("attempts/*/*"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in attempts] == [0o700]
    for path in place.results.rglob("*"):
        if attempts[0] in (path, *path.parents) or not (path.is_dir() or path.is_file()):
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        most = (0o777 if path.is_dir() else 0o666) & ~umask
        published = path.parent.parent.parent.parent == place.results and path.is_file()
        wanted = most & 0o444 if published else most
        assert mode == wanted, f"{path}: {mode:o}, not {wanted:o}"
    for path in (place.real / "store").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & umask, path
