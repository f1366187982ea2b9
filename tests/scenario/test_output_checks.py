"""The process that checks outputs: tried before anything starts, and never blamed on a model."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy
import pytest

import multiverse
from tests.conftest import kept_attempts, published_runs
from tests.scenario.conftest import Finished
from tests.third_party import install_engine
from tests.unit.scoring.made import register

#: An engine whose model writes a complete output at once. With ``LOST`` in the environment, the
#: process that checks outputs is gone when the model ends, and can't be started again.
ENGINE = """
    import os
    from pathlib import Path

    import h5py
    import numpy as np

    from multiverse.contract.cells import CellNames
    from multiverse.contract.child_check import EXAMINER
    from multiverse.contract.paths import OutputFiles
    from multiverse.engines.protocol import Ending
    from multiverse.facts import Usage

    PICTURE = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d4944415478da63fccf50ff1f00058102803f1b7e2c0000000049454e44ae426082"
    )

    class Running:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self, seconds):
            return True

        def usage(self):
            return Usage()

        def ending(self):
            return Ending(0, None, Usage())

    class Engine(BareEngine):
        name = "quick"

        def start(self, execution):
            with open("trained", "a") as file:
                file.write("once\\n")
            files, names = OutputFiles(execution.output), CellNames.read(execution.data).names
            with h5py.File(files.embeddings, "w") as file:
                file["latent"] = np.random.default_rng(0).normal(size=(len(names), 2))
                file["obs_names"] = list(names)
            files.metrics.write_text('{"model_metrics": {}, "history": {}}')
            files.umap.write_bytes(PICTURE)
            files.log.write_text("done")
            execution.log.write_text("done")
            if "LOST" in os.environ:
                os.environ["PYTHONPATH"] = os.environ["LOST"]
                EXAMINER._process.kill()
            return Running()
"""
RUN = ("run", "--models", "pca", "--dataset", "tiny", "--engine", "quick")
#: Ends the process that checks outputs as soon as it starts, and no other.
BROKEN = """
import os, sys
if "multiverse.contract.examiner" in sys.orig_argv:
    sys.stderr.write("noise\\n" * 100_000 + "the disk of this node is \\x1b[31mfull\\n")
    sys.stderr.flush()
    os._exit(3)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder, with the engine ``quick`` and the dataset ``tiny``."""
    register(tmp_path / "home")
    install_engine(tmp_path, "quick", ENGINE)
    return tmp_path


def command(place: Path, *arguments: str, python: str = sys.executable, **env: str) -> Finished:
    done = subprocess.run(
        [python, "-m", "multiverse", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


def hide(folder: Path, package: str) -> Path:
    """A folder of ``PYTHONPATH`` where a package is found that can't be loaded."""
    folder.mkdir()
    (folder / f"{package}.py").write_text("raise ImportError('libhdf5.so.310: not found')\n")
    return folder


def trainings(place: Path) -> int:
    return len((place / "trained").read_text().splitlines()) if (place / "trained").exists() else 0


def test_packages_that_come_by_pythonpath(place: Path) -> None:
    """As environment modules give them: a bare Python, and everything by PYTHONPATH."""
    venv.create(place / "bare", with_pip=False)
    packages = [Path(package.__file__ or "").parents[1] for package in (multiverse, numpy)]
    search = os.pathsep.join(["", str(place), *map(str, packages), ""])
    bare = str(place / "bare/bin/python")
    done = command(place, *RUN, python=bare, PYTHONPATH=search)
    assert done.code == 0, done.said
    assert [record.state for record in published_runs(place / "results")] == ["complete"]


def test_surroundings_in_which_nothing_can_be_checked_are_refused_at_the_start(
    place: Path,
) -> None:
    (place / "broken").mkdir()
    (place / "broken/sitecustomize.py").write_text(BROKEN)
    refused = command(place, *RUN, PYTHONPATH=f"{place / 'broken'}:{place}")
    assert refused.code == 4
    assert (
        "error: the process that checks outputs does not work here: it ended with exit code 3: "
        "the disk of this node is" in refused.err
    )
    assert "\x1b" not in refused.err
    assert "next: Mend that" in refused.err
    assert len(refused.said) < 2000, "a flood is bounded"
    assert trainings(place) == 0
    assert not kept_attempts(place / "results")
    mended = command(place, *RUN)
    assert mended.code == 0, mended.said
    assert trainings(place) == 1


def test_a_process_that_is_lost_later_is_no_fault_of_the_model(place: Path) -> None:
    lost = hide(place / "lost", "h5py")
    done = command(place, *RUN, LOST=str(lost))
    assert done.code == 1
    (record,) = kept_attempts(place / "results")
    assert (record.state, record.cause) == ("failed", "not_checked")
    assert not record.findings
    assert "ImportError: libhdf5.so.310: not found" in record.message
    assert "the next run checks it without training again" in record.message
    assert trainings(place) == 1, "it is not repeated in vain"

    kept = command(place, "clean", "results", "--attempts", "--yes")
    assert "still to be checked" in kept.said
    again = command(place, *RUN)
    assert again.code == 0, again.said
    assert trainings(place) == 1
    assert [run.state for run in published_runs(place / "results")] == ["complete"]
