"""What :func:`multiverse.run` and the command are asked for becomes one request."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.api import (
    Overrides,
    Request,
    RunKeywords,
    Steps,
    evaluation_settings,
    output_of,
    preview,
    read_benchmark,
    short_benchmark,
)
from multiverse.api.settings import request_of
from multiverse.cli import evaluate as evaluate_command
from multiverse.cli import run as command
from multiverse.cli.parser import make_parser
from multiverse.errors import DatasetError, UsageError
from multiverse.events import silent
from multiverse.runner import Machine
from tests.conftest import write_small

GIB = 1024**3


def asked(path: Path, settings: RunKeywords, models: str | list[str] = "pca") -> Request:
    return request_of(models, path, path.parent / "results", settings, silent)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_small(tmp_path / "small.h5ad")


def test_a_setting_of_python_means_what_the_option_means(source: Path) -> None:
    request = asked(
        source,
        {
            "parameters": {"mofa": {"n_factors": 20}},
            "seeds": [0, 1],
            "device": "cuda",
            "engine": "local",
            "resources": {"cpus": 2, "memory": "4GiB", "time_limit": "2h", "retries": 1},
            "jobs": 3,
            "cpus": 8,
            "memory": "16GiB",
            "gpus": ["0", "1"],
            "jobs_per_gpu": 2,
            "min_free": "2GiB",
            "batch_key": "donor",
            "label_key": "cell_type",
            "unlabelled": ["unknown"],
            "modalities": {"X": "rna"},
            "layer": "counts",
            "mosaic": True,
            "round": "adt",
            "build": False,
            "only_failed": True,
            "verbose": True,
            "tags": {"who": "me"},
            "models_dirs": ["mine"],
            "evaluate": False,
            "mlflow": "http://localhost:5000",
        },
        ["pca", "mofa"],
    )
    words = [
        "run", "--models", "pca", "mofa", "--input", source, "-p", "mofa.n_factors=20",
        "--seeds", 0, 1, "--device", "cuda", "--engine", "local", "--job-cpus", 2,
        "--job-memory", "4GiB", "--time-limit", "2h", "--retries", 1, "--jobs", 3, "--cpus", 8,
        "--memory", "16GiB", "--gpus", "0,1", "--jobs-per-gpu", 2, "--min-free", "2GiB",
        "--batch-key", "donor", "--label-key", "cell_type", "--unlabelled", "unknown",
        "--modality", "X=rna", "--layer", "counts", "--mosaic", "--round", "adt",
        "--no-build", "--only-failed",
        "--verbose", "--tag", "who=me", "--models-dir", "mine", "--no-evaluate",
        "--mlflow", "http://localhost:5000",
    ]  # fmt: skip
    arguments = command.read(make_parser().parse_args([str(word) for word in words]))
    assert request.source.benchmark == arguments.source().benchmark
    assert request.options == arguments.how.options
    assert request.steps == arguments.how.steps
    assert tuple(request.models_dirs) == arguments.how.models_dirs
    assert request.engine == arguments.how.engine


def test_what_is_not_set_is_as_for_the_command(source: Path) -> None:
    request = asked(source, {})
    words = ["run", "--models", "pca", "--input", str(source)]
    arguments = command.read(make_parser().parse_args(words))
    assert request.source.benchmark == arguments.source().benchmark
    assert request.options == arguments.how.options
    assert request.steps == arguments.how.steps == Steps()
    assert request.engine == "auto"


def test_every_setting_is_described() -> None:
    described = str(RunKeywords.__doc__)
    assert [name for name in RunKeywords.__annotations__ if name not in described] == []


def test_the_engine_of_the_environment_is_for_python_too(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIVERSE_ENGINE", "local")
    assert asked(source, {}).engine == "local"
    assert asked(source, {"engine": "docker"}).engine == "docker"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"memory": "much"}, "memory 'much' is not an amount"),
        ({"min_free": "little"}, "min_free 'little' is not an amount"),
        ({"jobs": 0}, "must be at least 1"),
        ({"rerun": True, "only_failed": True}, "only what failed"),
        ({"parameters": {"mofa": {}}}, "mofa, which is not to be run"),
    ],
)
def test_settings_that_make_no_sense(source: Path, settings: RunKeywords, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        asked(source, settings)


def test_what_is_wrong_with_the_dataset_is_said_first(source: Path) -> None:
    with pytest.raises(UsageError, match="no setting 'sedes'; did you mean 'seeds'"):
        preview("pca", source, sedes=[1])  # type: ignore[call-arg]
    with pytest.raises(DatasetError, match="does not exist"):
        preview("pca", source.with_name("other.h5ad"))
    with pytest.raises(UsageError, match="name a dataset"):
        preview("pca")
    with pytest.raises(UsageError, match="pbmc is registered already"):
        preview("pca", "pbmc", batch_key="donor")


def test_steps_give_way_to_the_environment() -> None:
    none = {f"MULTIVERSE_NO_{name}": "1" for name in ("EVALUATE", "REPORT", "MLFLOW")}
    assert Steps().allowed({}) == Steps()
    assert Steps().allowed(none) == Steps(evaluate=False, report=False, tracked=False)
    named = Steps(mlflow="http://localhost:5000")
    assert named.allowed(none).tracked, "an address that is named is meant"


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.yaml"
    path.write_text(
        "datasets: [pbmc]\nmodels: [{model: pca, seeds: [7]}]\nseeds: [3]\noutput: out\n"
        "resources: {memory: 2GiB, cpus: 1}\n"
    )
    overrides = Overrides(seeds=(0, 1), resources={"memory": "4GiB"})
    source = read_benchmark(path, overrides)
    assert source.benchmark.seeds == (0, 1)
    assert source.benchmark.models[0].seeds is None
    assert source.benchmark.resources.memory == 4 * GIB
    assert source.benchmark.resources.cpus == 1
    assert output_of(source, None) == tmp_path / "out"
    assert output_of(source, Path("there")) == Path("there")
    assert output_of(short_benchmark({"pca": {}}, {"slug": "a"}, overrides), None) == Path(
        "results"
    )


def test_a_machine_is_what_all_jobs_share(source: Path) -> None:
    request = asked(source, {"cpus": 4, "memory": 8 * GIB, "gpus": [], "min_free": 0})
    assert request.options.machine == Machine(cpus=4, memory=8 * GIB, gpus=())
    assert request.options.min_free == 0


def test_one_name_is_no_sequence_of_letters(source: Path) -> None:
    request = asked(source, {"label_key": "cell_type", "unlabelled": "unknown", "gpus": "0"})
    (entry,) = request.source.benchmark.datasets
    assert entry.unlabelled == ("unknown",)
    assert request.options.machine.gpus == ("0",)


def test_tags_are_text(source: Path) -> None:
    request = asked(source, {"tags": {"lot": 7}})  # type: ignore[dict-item]
    assert request.options.tags == {"lot": "7"}


def test_settings_of_the_evaluator_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match=r"^max_cell: unknown key; did you mean 'max_cells'\?$"):
        evaluation_settings({"max_cell": 500})
    with pytest.raises(UsageError, match=r"^max_cells: input should be greater than or equal"):
        evaluation_settings({"max_cells": 3})
    assert evaluation_settings({"max_cells": 500}).max_cells == 500
    given = make_parser().parse_args(["evaluate", "--max-cells", "3"])
    with pytest.raises(UsageError, match=r"^--max-cells: input should be greater than or equal"):
        evaluate_command.read(given)
