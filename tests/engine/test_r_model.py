"""The example in R: no Python and no SDK in its image, and a model like any other beside pca."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import multiverse
from multiverse.cli.main import main
from multiverse.demo.simulation import Simulation, simulate
from multiverse.images.base_image import choose_base
from multiverse.images.docker_cli import DockerCli, find_docker
from tests.conftest import REPOSITORY, docker_or_skip

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

FOLDER = REPOSITORY / "docs" / "examples" / "r-pca"
IMAGE = "example-r-pca:0.1.0"


@pytest.fixture(scope="module")
def image() -> DockerCli:
    """The image, built as its author would: by docker alone, on a bare Debian."""
    docker_or_skip()
    client = find_docker()
    base = choose_base(client, "auto", print).reference
    subprocess.run(
        [
            str(client.path), "build", "--network", "host", "--quiet",
            "--build-arg", f"BASE_IMAGE={base}", "--tag", IMAGE, str(FOLDER),
        ],
        env=client.environ,
        check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return client


def test_the_image_holds_no_sdk(image: DockerCli) -> None:
    command = [str(image.path), "run", "--rm", "--entrypoint", "sh", IMAGE, "-c"]
    listed = subprocess.run(
        [*command, "find / -xdev -name '*multiverse*' -not -path '/proc/*'"],
        env=image.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout.strip() == ""
    assert "Rscript" in subprocess.check_output(
        [str(image.path), "inspect", "--format", "{{.Config.Entrypoint}}", IMAGE],
        env=image.environ,
        text=True,
    )


def test_it_passes_the_checks(image: DockerCli, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [
        "contract", "determinism", "seed", "lacking modality", "extra modality", "empty cells",
        "few cells", "odd names", "absent device", "parameters: n_components",
    ]  # fmt: skip
    only = [word for name in checks for word in ("--only", name)]
    description = str(FOLDER / "model.yaml")
    code = main(["check", "--image", IMAGE, "--model-yaml", description, "--json", *only])
    report = json.loads(capsys.readouterr().out)
    assert code == 0, [item for item in report["results"] if item["status"] == "failed"]
    assert report["counts"]["passed"] == len(checks)
    assert report["software"].startswith(IMAGE)


def test_it_runs_beside_pca(image: DockerCli, tmp_path: Path) -> None:
    """Its scores are the principal components that NumPy finds, up to their signs."""
    cells = simulate(150, Simulation(n_genes=120, n_peaks=0, n_proteins=8, n_types=3, seed=5))
    results = multiverse.run(
        ["pca", "r-pca"],
        cells,
        tmp_path / "results",
        parameters={"r-pca": {"n_components": 5, "n_top_genes": 60}},
        slug="simulated",
        batch_key="batch",
        label_key="cell_type",
        engine="docker",
        models_dirs=[FOLDER],
    )
    run = results["r-pca"]
    assert run.obs_names() == list(cells.obs_names)
    image_of_run = run.record.image
    assert image_of_run is not None
    assert image_of_run.tag == IMAGE
    wanted, share = principal_components(cells["rna"].X.toarray(), 60, 5)
    found = run.embedding()
    signs = np.sign((wanted * found).sum(axis=0))
    assert found * signs == pytest.approx(wanted, abs=1e-3)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["model_metrics"]["explained_variance"] == pytest.approx(share, abs=1e-4)
    assert metrics["settings"]["hyperparameters"] == {"n_components": 5, "n_top_genes": 60}


def principal_components(
    counts: NDArray[Any], n_genes: int, wanted: int
) -> tuple[NDArray[Any], float]:
    """Scores and explained share, from the definitions."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    values = np.log1p(1e4 * counts.astype(float) / totals)
    values = values[:, np.argsort(-values.var(axis=0))[:n_genes]]
    centred = values - values.mean(axis=0)
    u, d, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, :wanted] * d[:wanted], float((d[:wanted] ** 2).sum() / (d**2).sum())
