"""The engines, each with the misbehaving model ready to run on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import multiverse
from multiverse.api import Request, run_benchmark
from multiverse.engines.choice import choose_engine
from multiverse.engines.protocol import Engine
from multiverse.events import silent
from multiverse.images.environment import prepare_environment
from multiverse.registry.home import cache
from multiverse.registry.models import find_models
from multiverse.runner.options import RunOptions
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import TEST_MODELS, docker_or_skip, shared_folder, write_small

ENGINES = [pytest.param("docker", marks=pytest.mark.docker), "local"]


@pytest.fixture(scope="session")
def _naughty_image(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The misbehaving model's image, built once (the shared base is reused).

    One worker builds it; the others wait, and find all its layers.
    """
    docker_or_skip()
    from multiverse.images.build import build_models

    with FileLock(shared_folder(tmp_path_factory, "locks") / "naughty-image"):
        build_models(list(find_models(["naughty"], [TEST_MODELS]).values()), tell=silent)


@pytest.fixture(scope="session")
def _naughty_environment() -> None:
    """The misbehaving model's environment, so that no test waits for it while a clock runs."""
    (model,) = find_models(["naughty"], [TEST_MODELS]).values()
    prepare_environment(model, cache=cache(), tell=silent)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn; every test of the shared suite runs on all of them."""
    if request.param == "docker":
        request.getfixturevalue("_naughty_image")
    else:
        request.getfixturevalue("_naughty_environment")
    return choose_engine(request.param, silent)


RunNaughty = Callable[..., Run]
Prepare = Callable[..., Request]


@pytest.fixture
def request_for(engine: Engine, tmp_path: Path) -> Prepare:
    """A request that runs the misbehaving model with the given behaviours, in order."""
    data = write_small(tmp_path / "small.h5ad")
    registered = multiverse.register(data, slug="small", batch_key="donor", label_key="cell_type")

    def make(
        *behaviours: str, amount: float = 0, parallel: int = 1, **resources: object
    ) -> Request:
        sets = [{"behaviour": behaviour, "amount": amount} for behaviour in behaviours]
        content = {
            "datasets": ["small"],
            "models": [{"model": "naughty", "parameters": sets}],
            "resources": resources,
        }
        return Request(
            source=BenchmarkSource.of(content),
            output=tmp_path / "results",
            engine=engine.name,
            options=RunOptions(parallel=parallel, tags={"folder_of_the_host": str(tmp_path)}),
            models_dirs=[TEST_MODELS],
            registered=[registered],
        )

    return make


@pytest.fixture
def run_naughty(request_for: Prepare) -> Callable[..., Results]:
    """Run behaviours and return their results, in the order in which they ended."""

    def run(*behaviours: str, **settings: object) -> Results:
        return run_benchmark(request_for(*behaviours, **settings))

    return run
