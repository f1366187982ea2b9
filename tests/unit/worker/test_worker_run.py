"""``run_model`` as a process: what it writes, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.worker.worker_jobs import Finished, run_process, simulate, write_job

#: A model that does what the hyperparameter ``do`` says.
MODEL = """
import sys
from multiverse.worker import Embedding, NotApplicable, Series, run_model

def embed(job, data):
    import random
    import numpy as np
    n = data.n_obs
    latent = np.random.normal(size=(n, 4))
    match job.parameters.get("do"):
        case "nan":
            latent[5, 1] = np.nan
        case "rows":
            return latent[1:]
        case "flat":
            return latent[:, 0]
        case "constant":
            return np.zeros((n, 3))
        case "text":
            return "no numbers"
        case "huge":
            return latent * 1e300
        case "raise":
            raise ValueError("first line\\nsecond line")
        case "memory":
            raise MemoryError
        case "exit":
            sys.exit(0)
        case "not applicable":
            raise NotApplicable("needs proteins,\\nand there are none")
        case "wait":
            import time
            job.epoch(1, 9, loss=1.0)
            time.sleep(60)
        case "draws":
            return np.column_stack([latent, np.full(n, random.random())])
        case "one dimension":
            return latent[:, :1]
        case "modalities":
            print("MODALITIES", *data.mod, job.batch[:3] if job.batch is not None else None)
    for number in range(1, 4):
        job.epoch(number, 3, loss=1 / number, broken=float("nan"), steps=np.int64(number))
    return Embedding(latent, metrics={"good": np.float32(2), "bad": float("inf")},
                     history={"extra": [1, 2], "share": Series([0.5, 0.2], per="factor"),
                              "bound": Series([1, float("nan"), 3], "iteration", [1, 6, 11])})

if __name__ == "__main__":
    sys.exit(run_model(embed))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.py"
    path.write_text(MODEL)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5mu"
    simulate().write_h5mu(path)
    return path


def run(model: str, data: Path, folder: Path, do: str = "", **fields: Any) -> Finished:
    write_job(folder, hyperparameters={"do": do}, **fields)
    return run_process([model], data, folder)


def test_outputs_are_complete_and_say_what_was_done(model: str, data: Path, tmp_path: Path) -> None:
    done = run(model, data, tmp_path / "out", "modalities", modalities=("adt",), batch_key="donor")
    assert done.code == 0, done.output
    assert done.findings() == []
    assert "MODALITIES adt ['d0' 'd0' 'd0']" in done.output
    metrics = done.metrics
    assert metrics["model_metrics"] == {"good": 2.0}
    assert metrics["history"] == {
        "loss": [1, 0.5, 1 / 3],
        "steps": [1, 2, 3],
        "extra": [1, 2],
        "share": [0.5, 0.2],
        "bound": [1, 3],
    }
    assert metrics["history_axes"] == {
        "share": {"per": "factor"},
        "bound": {"per": "iteration", "at": [1, 11]},
    }
    assert metrics["settings"]["threads"] == 2
    assert metrics["settings"]["n_cells"] == 90
    assert done.epochs[1] == {"epoch": 2, "total": 3, "loss": 0.5, "steps": 2}
    assert "metric 'bad' is not a finite number" in done.log
    assert "Done in" in done.last_line
    assert sorted(path.name for path in done.files.folder.iterdir()) == [
        "embeddings.h5",
        "job_spec.json",
        "metrics.json",
        "metrics.jsonl",
        "run.log",
        "umap.png",
    ]


def test_the_log_is_also_the_output_of_the_container(
    model: str, data: Path, tmp_path: Path
) -> None:
    done = run(model, data, tmp_path / "out")
    assert done.log.splitlines() == [line for line in done.output.splitlines() if "Z " in line]


@pytest.mark.parametrize(
    ("do", "code", "last"),
    [
        ("nan", 1, "NaN or infinite values for 1 of 90 cells, first in row 5"),
        ("huge", 1, "NaN or infinite values for 90 of 90"),
        ("rows", 1, "returned 89 rows for 90 cells"),
        ("flat", 1, "shape (90,), not (n_cells, n_dims)"),
        ("constant", 1, "the same values for every cell"),
        ("text", 1, "returned str, not numbers"),
        ("raise", 1, "ERROR ValueError: first line second line"),
        ("memory", 1, "ERROR MemoryError: the process ran out of memory"),
        ("exit", 1, "the model's code ended the process (status 0)"),
        ("not applicable", 99, "Not applicable: needs proteins, and there are none"),
    ],
)
def test_failures_are_typed_and_leave_a_readable_last_line(
    model: str, data: Path, tmp_path: Path, do: str, code: int, last: str
) -> None:
    done = run(model, data, tmp_path / "out", do)
    assert done.code == code, done.output
    assert last in done.last_line
    assert not done.files.embeddings.exists()
    assert not list(done.files.folder.glob(".*"))
    assert ("Traceback" in done.log) == (do in {"raise", "memory"})
    assert done.files.reason.exists() == (code == 99)
    if code == 99:
        assert done.files.reason.read_text() == "needs proteins, and there are none\n"


@pytest.mark.parametrize(
    ("fields", "code", "last"),
    [
        ({"modalities": ("rna", "protein")}, 1, "has no modality protein, only"),
        ({"batch_key": "lab"}, 1, "no batch column 'lab'"),
        ({"device": "cuda"}, 2, "can't use the device 'cuda', only cpu"),
    ],
)
def test_jobs_that_do_not_fit(
    model: str, data: Path, tmp_path: Path, fields: dict[str, Any], code: int, last: str
) -> None:
    done = run(model, data, tmp_path / "out", **fields)
    assert (done.code, last in done.last_line) == (code, True), done.output


def test_input_that_is_not_there_or_no_data(model: str, tmp_path: Path) -> None:
    absent = run(model, tmp_path / "absent.h5mu", tmp_path / "a")
    assert absent.code == 1
    assert "absent.h5mu does not exist" in absent.last_line
    (tmp_path / "text.h5mu").write_text("no HDF5")
    broken = run(model, tmp_path / "text.h5mu", tmp_path / "b")
    assert broken.code == 1
    assert "can't be read as MuData" in broken.last_line


def test_job_that_is_missing_or_wrong(model: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    missing = run_process([model], data, tmp_path / "none")
    assert missing.code == 1
    assert "there is no job at" in missing.last_line
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "job_spec.json").write_text('{"seed": -1}')
    wrong = run_process([model], data, tmp_path / "wrong")
    assert wrong.code == 2
    assert "is not a job specification: seed" in wrong.last_line


def test_output_folder_that_is_not_there(model: str, data: Path, tmp_path: Path) -> None:
    done = run_process([model], data, tmp_path / "nowhere")
    assert done.code == 1
    assert done.output.startswith("ERROR the output folder can't be used")


def test_same_seed_same_bits(model: str, data: Path, tmp_path: Path) -> None:
    one, two, other = (
        run(model, data, tmp_path / str(number), "draws", seed=value)
        for number, value in enumerate((0, 0, 2**32 - 1))
    )
    assert one.files.embeddings.read_bytes() == two.files.embeddings.read_bytes()
    assert one.files.umap.read_bytes() == two.files.umap.read_bytes()
    assert not np.array_equal(one.latent[:, :4], other.latent[:, :4])
    assert one.latent[0, 4] != other.latent[0, 4]


def test_one_dimension_is_an_embedding_too(model: str, data: Path, tmp_path: Path) -> None:
    done = run(model, data, tmp_path / "out", "one dimension")
    assert (done.code, done.findings()) == (0, [])


@pytest.mark.parametrize(
    ("missing", "warning"),
    [("numba", "the first two dimensions, because UMAP failed"), ("matplotlib", "a bare raster")],
)
def test_a_failing_picture_never_loses_the_embedding(
    model: str, data: Path, tmp_path: Path, missing: str, warning: str
) -> None:
    """A package that can't be imported stands before the real one."""
    broken = tmp_path / "broken" / missing
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('broken')")
    write_job(tmp_path / "out")
    path = f"{broken.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = run_process([model], data, tmp_path / "out", {"PYTHONPATH": path})
    assert (done.code, done.findings()) == (0, []), done.output
    assert warning in done.log


def test_too_few_cells_for_umap_still_have_a_picture(model: str, tmp_path: Path) -> None:
    simulate(6).write_h5mu(tmp_path / "six.h5mu")
    done = run(model, tmp_path / "six.h5mu", tmp_path / "out")
    assert (done.code, done.findings()) == (0, []), done.output
    assert "needs at least 16 cells" in done.log


def test_sigterm_ends_a_run_at_once(model: str, data: Path, tmp_path: Path) -> None:
    write_job(tmp_path, hyperparameters={"do": "wait"})
    variables = {**os.environ, "MULTIVERSE_INPUT": str(data), "MULTIVERSE_OUTPUT": str(tmp_path)}
    process = subprocess.Popen([sys.executable, model], env=variables, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"epoch": 1, "total": 9, "loss": 1.0}\n'
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert "SIGTERM" in (tmp_path / "run.log").read_text().splitlines()[-1]


#: A model that may use a GPU, and notes of it what the job says.
GPU_MODEL = """
import sys
from multiverse.worker import run_model

def embed(job, data):
    import numpy as np
    noted = job.parameters["noted"]
    if noted is not None:
        job.record(gpu=noted)
    assert "torch" not in sys.modules
    return np.random.normal(size=(data.n_obs, 4))

if __name__ == "__main__":
    sys.exit(run_model(embed, devices=("cpu", "cuda")))
"""
H200 = {"name": "NVIDIA H200", "peak_memory_bytes": 2**31}


@pytest.mark.parametrize(
    ("device", "noted", "shown"),
    [
        ("cpu", None, None),
        ("cpu", H200, None),
        ("cuda", None, None),
        ("cuda", "NVIDIA H200", None),
        ("cuda", H200, H200),
        ("cuda:1", H200, H200),
    ],
)
def test_only_a_job_on_a_gpu_shows_one(
    data: Path, tmp_path: Path, device: str, noted: Any, shown: Any
) -> None:
    """Without PyTorch there is what the model notes, and nothing is made up."""
    model = tmp_path / "model.py"
    model.write_text(GPU_MODEL)
    write_job(tmp_path / "out", hyperparameters={"noted": noted}, device=device)
    done = run_process([str(model)], data, tmp_path / "out")
    assert (done.code, done.findings()) == (0, []), done.output
    assert done.metrics.get("gpu") == shown
    assert ("gpu" in done.metrics) == (shown is not None)
    assert done.metrics["settings"]["device"] == device
