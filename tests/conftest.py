"""What tests share: real data, small generated data, engines; and no skip where CI forbids it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from multiverse.runs.folder import ResultsFolder, RunFolder
from multiverse.runs.places import attempt_folders, find_runs
from multiverse.runs.record import RunRecord

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
TEST_MODELS = Path(__file__).resolve().parent / "models"


def pytest_configure(config: pytest.Config) -> None:
    """With several workers (``-n 2``) tests go by file and group, in the order of the files."""
    if config.getoption("numprocesses", None):
        config.option.dist = "loadgroup"
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)  # a model's environment has no pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out the tests to the workers by file, or by the ``xdist_group`` of a test."""
    from tests.workers import FilesAndGroups

    return FilesAndGroups(config, log)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist numbers them
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes long, so that all of them end at about the same time."""
    if hasattr(config, "workerinput"):
        from tests.workers import LONGEST_FIRST

        items.sort(key=lambda item: LONGEST_FIRST.rank(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``MULTIVERSE_NO_SKIP`` a skipped test has failed: CI has all that tests need."""
    report = yield
    if os.environ.get("MULTIVERSE_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skips are not allowed here: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the datasets of the person who runs it."""
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is followed by scores, a report and MLflow only in the tests of those.

    They take the variables away again: ``monkeypatch.delenv``. Nobody's own MLflow hears of them.
    """
    for step in ("EVALUATE", "REPORT", "MLFLOW"):
        monkeypatch.setenv(f"MULTIVERSE_NO_{step}", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Environments of the local engine are made once per test session, for all its workers."""
    if "MULTIVERSE_CACHE" in os.environ:
        yield
        return
    os.environ["MULTIVERSE_CACHE"] = str(shared_folder(tmp_path_factory, "cache"))
    yield
    del os.environ["MULTIVERSE_CACHE"]


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that the workers of a test session have in common."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in that of the session
    folder = base / name
    folder.mkdir(exist_ok=True)
    return folder


def open_to_all(folder: Path) -> None:
    """Let every user reach and change a folder of a test: pytest makes its own for one user."""
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o777)


def shared_dataset(slug: str) -> Path:
    """A real dataset, or a skip with the reason."""
    path = SHARED_DATA / slug / f"{slug}.h5mu"
    if not path.is_file():
        pytest.skip(f"the real dataset {slug} is not beside this repository")
    return path


def published_runs(folder: Path) -> list[RunRecord]:
    """The records of every published run of a results folder."""
    places = find_runs(ResultsFolder(folder)).runs
    runs = [RunFolder(folder.joinpath(*place.names)) for place in places]
    return [RunRecord.read(run.record) for run in runs]


def kept_attempts(folder: Path) -> list[RunRecord]:
    """The records of every attempt that was kept, by run and number."""
    attempts = attempt_folders(ResultsFolder(folder))
    return [RunRecord.read(attempt.record) for attempt in attempts if attempt.record.is_file()]


def docker_or_skip() -> None:
    """Skip unless a Docker daemon answers."""
    from multiverse.engines.docker import DockerEngine
    from multiverse.errors import EngineError

    try:
        DockerEngine().facts()
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture
def small_h5ad(tmp_path: Path) -> Path:
    """30 cells × 12 genes of counts, with batch and labels, as somebody would bring them."""
    return write_small(tmp_path / "small.h5ad")


def write_small(path: Path, n_cells: int = 30, n_genes: int = 12, seed: int = 0) -> Path:
    """A small ``.h5ad`` of Poisson counts."""
    import pandas as pd
    from anndata import AnnData

    random = np.random.default_rng(seed)
    counts = random.poisson(2.0, size=(n_cells, n_genes)).astype(np.float32)
    obs = pd.DataFrame(
        {
            "donor": [f"d{number % 2}" for number in range(n_cells)],
            "cell_type": [f"secret-type-{number % 3}" for number in range(n_cells)],
        },
        index=[f"cell{number}" for number in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"gene{number}" for number in range(n_genes)])
    AnnData(X=sparse.csr_matrix(counts), obs=obs, var=var).write_h5ad(path)
    return path
