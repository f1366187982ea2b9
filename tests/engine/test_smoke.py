"""Every model's real image, as a user gets it: a short run on 200 cells, judged by the contract.

One entry of the CI matrix a model: ``pytest tests/engine/test_smoke.py -k totalvi``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

import multiverse
from multiverse.api import Request, run_benchmark
from multiverse.facts import RunState
from multiverse.images.docker_cli import find_docker
from multiverse.runner.options import RunOptions
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import docker_or_skip

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

MODELS = sorted(
    path.parent.name for path in (Path(multiverse.__file__).parent / "models").glob("*/model.yaml")
)
#: As short as each can be; a model that is not named runs with its defaults.
SHORT: dict[str, dict[str, Any]] = {
    "mofa": {"n_factors": 4, "max_iterations": 10},
    "multivi": {"max_epochs": 3},
    "totalvi": {"max_epochs": 3},
    "mowgli": {"latent_dimensions": 4, "max_iter": 2, "max_iter_inner": 20},
    "cobolt": {"max_epochs": 3},
}
N_CELLS = 200
WIDTHS = {"rna": 60, "atac": 120, "adt": 12}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RNA, ATAC and ADT counts of 200 cells of three kinds, in two batches."""
    random = np.random.default_rng(0)
    kinds = np.arange(N_CELLS) % 3
    obs = pd.DataFrame(
        {"batch": np.where(np.arange(N_CELLS) < 90, "a", "b")},
        index=[f"cell{number}" for number in range(N_CELLS)],
    )
    parts = {}
    for name, width in WIDTHS.items():
        programmes = random.gamma(0.8, 2.0, size=(3, width))
        counts = random.poisson(programmes[kinds]).astype(np.float32)
        if name == "atac":
            counts = np.minimum(counts, 2)
        var = pd.DataFrame(index=[f"{name}{number}" for number in range(width)])
        parts[name] = AnnData(X=sparse.csr_matrix(counts), obs=obs, var=var)
    path = tmp_path_factory.mktemp("smoke") / "cells.h5mu"
    MuData(parts).write_h5mu(path)
    return path


#: Prints whatever an image should not hold; runs inside it, as root so that nothing is hidden.
SEARCH = """
cd /opt/multiverse/env/lib/python3.11/site-packages
ls -d nvidia* cuda* cupy* triton* tensorboard* aiohttp* torch/include torch/test 2>/dev/null
ls -d setuptools* pkg_resources* _distutils_hack* 2>/dev/null
find . -type d -name tests ! -path './numpy/*'
find / -xdev -name '*.a' ! -path '/proc/*' ! -path '/usr/lib/python3*'
find /root/.cache /var/cache/apt /var/lib/apt/lists -type f 2>/dev/null
for command in gcc g++ cc c++ clang ld make rustc nvcc; do command -v "$command"; done
true
"""


@pytest.mark.parametrize("name", MODELS)
def test_the_image_holds_nothing_that_a_job_can_not_use(name: str) -> None:
    docker_or_skip()
    docker = find_docker()
    command = ["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh"]
    found = subprocess.run(
        [str(docker.path), *command, f"multiverse-{name}:1.0.0", "-c", SEARCH],
        capture_output=True,
        text=True,
        check=True,
        env=docker.environ,
    )
    assert found.stdout == ""


@pytest.mark.parametrize("name", MODELS)
def test_the_image_runs_a_short_job(name: str, cells: Path, tmp_path: Path) -> None:
    docker_or_skip()
    registered = multiverse.register(cells, slug="smoke", batch_key="batch")
    entry: dict[str, Any] = {"model": name, "parameters": [SHORT.get(name, {})]}
    content = {"datasets": ["smoke"], "models": [entry]}
    results = run_benchmark(
        Request(
            source=BenchmarkSource.of(content),
            output=tmp_path / "results",
            engine="docker",
            options=RunOptions(),
            registered=[registered],
        )
    )
    (run,) = results.runs
    log = run.folder / "container.log"
    assert run.record.state is RunState.COMPLETE, (run.record.message, log.read_text()[-3000:])
    assert run.record.image is not None
    assert run.record.image.tag == f"multiverse-{name}:1.0.0"
    embedding = run.embedding()
    assert embedding.shape[0] == N_CELLS
    assert np.isfinite(embedding).all()
    assert embedding.std() > 0
