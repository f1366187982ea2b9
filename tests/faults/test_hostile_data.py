"""Datasets and arguments with names made to hurt: they stay names, in their folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata
import h5py
import pandas as pd
import pytest

import multiverse
from multiverse.api import Request, run_benchmark
from multiverse.errors import DatasetError, MultiverseError
from multiverse.events import silent
from multiverse.facts import RunState
from multiverse.images.build import build_models
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.models import find_models
from multiverse.runner.options import RunOptions
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import TEST_MODELS, docker_or_skip, write_small

NAMES = {
    "shell": "\"a'; touch hacked; $(touch hacked) `touch hacked` | & > hacked",
    "path": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "markup": "<img src=x onerror=alert(1)>[bold red]x[/]{0}%s",
    "terminal": "\x1b[2J\x1b]0;owned\x07\r\x08\x9b31m\u202e\u2028x",
    "formula": "=cmd|' /C calc'!A0",
    "lines": "a\nb\r\nc",
    "spaces": "  ",
    "dots": "..",
    "unicode": "ｎａｍｅ\u200b\ufeff\U0001f4a5",
}
#: What may be in output that a person reads: lines of text.
COMMANDS = set(map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2028]))


def write_named(path: Path, name: str, column: str = "donor") -> Path:
    """A small file whose batches, labels, cells, genes and one column bear a name."""
    data = anndata.read_h5ad(write_small(path.parent / "plain.h5ad"))
    data.obs = data.obs.rename(columns={"donor": column})
    data.obs[column] = [f"{name}{number % 2}" for number in range(data.n_obs)]
    data.obs["cell_type"] = [f"{name} type {number % 3}" for number in range(data.n_obs)]
    data.obs_names = pd.Index([f"{name} cell {number}" for number in range(data.n_obs)])
    data.var_names = pd.Index([f"{name} gene {number}" for number in range(data.n_vars)])
    data.write_h5ad(path)
    return path


def register(path: Path, **settings: Any) -> RegisteredDataset:
    return multiverse.register(path, slug="named", label_key="cell_type", **settings)


def multiverse_said(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "multiverse", *arguments],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", NAMES)
def test_names_in_a_dataset_stay_names(kind: str, tmp_path: Path) -> None:
    """Registered as they are, on the disk in files of fixed names, and harmless when listed."""
    source = write_named(tmp_path / "source.h5ad", NAMES[kind])
    before = files_below(tmp_path)
    dataset = register(source, batch_key="donor")
    home = tmp_path / "home"
    made = {path.split("/")[0] for path in files_below(tmp_path) - before}
    assert made == {"home"}
    assert {path.name for path in home.rglob("*") if path.is_file()} >= {"data.h5mu", "labels.h5ad"}
    with h5py.File(dataset.data, "r") as file:
        index = file["obs"].attrs["_index"]
        assert file["obs"][index][0].decode() == f"{NAMES[kind]} cell 0"
    done = multiverse_said(tmp_path, "register", str(source), "--slug", "again")
    assert done.returncode == 0, done.stderr
    assert not COMMANDS & {*done.stdout, *done.stderr}
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("kind", [kind for kind in NAMES if "/" not in NAMES[kind]])
def test_names_of_columns(kind: str, tmp_path: Path) -> None:
    """A column that is asked for by such a name is found, or refused by name."""
    source = write_named(tmp_path / "source.h5ad", "d", column=NAMES[kind])
    dataset = register(source, batch_key=NAMES[kind])
    assert dataset.record.batch_key is not None
    with pytest.raises(DatasetError) as refused:
        register(source, batch_key="nothing")
    assert "'nothing'" in str(refused.value)


@pytest.mark.parametrize("where", ["column", "value", "cell"])
def test_names_of_a_megabyte(where: str, tmp_path: Path) -> None:
    """Taken, or refused in a message that a person can read."""
    long = "x" * 1_000_000
    data = anndata.read_h5ad(write_small(tmp_path / "plain.h5ad"))
    batch_key = "donor"
    if where == "column":
        data.obs["short"] = "a"
        data.obs = data.obs.rename(columns={"donor": long[:60_000]})  # more, HDF5 does not take
        batch_key = "nothing"
    elif where == "value":
        data.obs["donor"] = [long + str(number % 2) for number in range(data.n_obs)]
    else:
        data.obs_names = pd.Index([long + str(number) for number in range(data.n_obs)])
    data.write_h5ad(tmp_path / "source.h5ad")
    done = multiverse_said(
        tmp_path, "register", str(tmp_path / "source.h5ad"), "--batch-key", batch_key
    )
    assert done.returncode in (0, 3), done.stderr[:1000]
    assert "Traceback" not in done.stderr
    assert len(done.stdout) + len(done.stderr) < 20_000


@pytest.mark.parametrize("kind", [kind for kind in NAMES if "/" not in NAMES[kind]])
def test_names_of_files(kind: str, tmp_path: Path) -> None:
    """A slug is made of the name: a folder of plain letters, whatever the file is called."""
    source = write_small(tmp_path / "plain.h5ad").rename(tmp_path / f"{NAMES[kind]}.h5ad")
    done = multiverse_said(tmp_path, "register", f"./{source.name}")
    assert done.returncode == 0, done.stderr
    assert not COMMANDS & {*done.stdout, *done.stderr}
    slugs = [path.name for path in (tmp_path / "home" / "datasets").iterdir() if path.is_dir()]
    assert len(slugs) == 1
    assert slugs[0].isascii()
    assert not set(slugs[0]) - set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert not (tmp_path / "hacked").exists()


def circle(file: h5py.File) -> None:
    file["obs/circle"] = file["obs"]
    file["uns/top"] = file["/"]
    file["layers/again"] = file["layers"]


def test_circles_of_hard_links_end(tmp_path: Path) -> None:
    source = write_small(tmp_path / "source.h5ad")
    with h5py.File(source, "r+") as file:
        circle(file)
    done = multiverse_said(tmp_path, "register", str(source), "--slug", "circle")
    assert done.returncode in (0, 3), done.stderr
    assert "Traceback" not in done.stderr


def test_columns_that_point_to_files_of_the_host(tmp_path: Path) -> None:
    """Values kept in another file, directly or as a virtual dataset, are not read."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0" * 30)
    for number, way in enumerate(("external", "virtual")):
        source = write_small(tmp_path / f"source{number}.h5ad")
        with h5py.File(source, "r+") as file:
            data = file["X/data"]
            shape, attributes = data.shape, dict(data.attrs)
            del file["X/data"]
            if way == "external":
                file.create_dataset("X/data", shape, "u1", external=[(str(secret), 0, shape[0])])
            else:
                layout = h5py.VirtualLayout(shape, "f4")
                layout[:] = h5py.VirtualSource(str(secret), "x", shape)
                file.create_virtual_dataset("X/data", layout)
            file["X/data"].attrs.update(attributes)
        with pytest.raises(MultiverseError):
            multiverse.register(source, slug="bad")
    assert "root" not in "".join(
        path.read_text(errors="replace")
        for path in (tmp_path / "home").rglob("*")
        if path.is_file()
    )


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_models_and_benchmarks_on_the_command_line(kind: str, tmp_path: Path) -> None:
    name = NAMES[kind]
    source = write_small(tmp_path / "source.h5ad")
    before = files_below(tmp_path)
    for arguments in (
        ["run", f"--models={name}", "--input", str(source), "--output", "out"],
        ["run", "--models=pca", f"--dataset={name}", "--output", "out"],
        ["run", "--models=pca", "--input", str(source), "--slug", name, "--output", "out"],
        ["show", f"x{name}", "--results", "out"],
    ):
        done = multiverse_said(tmp_path, *arguments)
        assert done.returncode in (1, 2, 3, 4, 5), (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert not COMMANDS & {*done.stdout, *done.stderr}, arguments
    made = files_below(tmp_path) - before
    assert not [path for path in made if not path.startswith("home")], made


@pytest.mark.docker
def test_a_benchmark_whose_every_name_is_hostile(tmp_path: Path) -> None:
    """Run in a container: tags, experiment, batches and cells; all arrive, none acts."""
    docker_or_skip()
    build_models(list(find_models(["hostile"], [TEST_MODELS]).values()), tell=silent)
    everything = " ".join(NAMES.values())
    dataset = register(
        write_named(tmp_path / "source.h5ad", everything, column=NAMES["shell"].replace("/", "")),
        batch_key=NAMES["shell"].replace("/", ""),
    )
    content = {
        "name": everything[:200],
        "datasets": ["named"],
        "models": [{"model": "hostile", "parameters": {"target": everything}}],
        "tags": NAMES,
    }
    results = run_benchmark(
        Request(
            source=BenchmarkSource.of(content),
            output=tmp_path / "results",
            engine="docker",
            options=RunOptions(tags={name: text for text, name in NAMES.items()}),
            models_dirs=[TEST_MODELS],
            registered=[dataset],
        )
    )
    (run,) = results.runs
    assert run.record.state is RunState.COMPLETE, run.record.message
    assert run.obs_names()[0] == f"{everything} cell 0"
    job = json.loads((run.folder / "job_spec.json").read_text())
    assert job["run_settings"]["experiment_name"] == everything[:200]
    top = {path.name for path in (tmp_path / "results").iterdir()}
    assert "named" in top
    assert not [name for name in top if name in NAMES.values()]
    for arguments in (["runs", "results"], ["show", run.record.run_id, "--results", "results"]):
        done = multiverse_said(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert not COMMANDS & {*done.stdout, *done.stderr}
    assert not list(tmp_path.rglob("hacked"))
