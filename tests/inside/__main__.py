"""``python -m tests.inside MODEL [pytest arguments]``: run a model's tests in its environment.

``evaluate`` is the evaluator, which has an environment as models have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

import multiverse
from multiverse.events import Event, Noted
from multiverse.images.environment import LockedEnvironment, prepare_environment
from multiverse.registry.home import cache
from multiverse.runner.prepared import WAITING
from multiverse.specs.evaluator import EvaluatorSpec
from multiverse.specs.model import ModelSpec

REPOSITORY = Path(__file__).resolve().parent.parent.parent
MODELS = Path(multiverse.__file__).parent / "models"
#: What the tests need besides the model's own packages, in the versions of the host's lock.
TEST_PACKAGES = ("pytest", "pytest-timeout", "jsonschema", "ruamel.yaml")
#: The test packages come last on the path: they never replace one of the model's own.
START = "import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.main())"


def run_inside(model: str, arguments: Sequence[str]) -> int:
    """The exit status of pytest on ``tests/inside/<model>``, or on what ``arguments`` name."""
    environment = prepare_environment(_spec(model), cache=cache(), tell=_show)
    named = [argument for argument in arguments if argument.startswith("tests/")]
    places = [] if named else [f"tests/inside/{model}"]
    command = [str(environment.python), "-c", START, str(_packages(environment))]
    with tempfile.TemporaryDirectory(prefix="multiverse-inside-") as scratch:
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *places, *arguments],
            cwd=REPOSITORY,
            env={
                **os.environ,
                **WAITING,  # as the runner sets it: tests share the cores with whatever else runs
                "PYTHONPATH": str(REPOSITORY),
                "MULTIVERSE_TESTS_INSIDE": model,
                # A session closes the folder of all sessions to other users, whom tests may need.
                "PYTEST_DEBUG_TEMPROOT": scratch,
            },
            check=False,
        )
    return done.returncode


def _spec(name: str) -> ModelSpec:
    evaluator = EvaluatorSpec.load()
    return evaluator if name == evaluator.name else ModelSpec.load(MODELS / name)


def _packages(environment: LockedEnvironment) -> Path:
    folder = cache() / "test-packages"
    with FileLock(cache() / "test-packages.lock"):
        if not (folder / "pytest").is_dir():
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet"]
            command += ["--target", str(folder), "--python", str(environment.python)]
            command += [*TEST_PACKAGES, "--constraint", str(_versions(folder))]
            subprocess.run(command, check=True)
    return folder


def _versions(folder: Path) -> Path:
    """The host's lock as constraints: uv takes no hashes there."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (REPOSITORY / "requirements" / "host.txt").read_text().splitlines()
    pins = [line.rstrip(" \\") for line in lines if line[:1].isalnum()]
    target = folder / "constraints.txt"
    target.write_text("\n".join(pins) + "\n")
    return target


def _show(event: Event) -> None:
    if isinstance(event, Noted):
        print(event.message, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(run_inside(sys.argv[1], sys.argv[2:]))
