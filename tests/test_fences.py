"""The rooms import only what the map allows, and start-up imports nothing heavy."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import multiverse
from multiverse.contract.evaluation import EvaluationFiles
from multiverse.contract.paths import OutputFiles
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder

PACKAGE = Path(multiverse.__file__).parent

#: Room → rooms it may import (the architecture's table; itself and errors always).
MAY_IMPORT: dict[str, set[str]] = {
    "exclusive": set(),
    "contract": set(),
    "worker": {"contract"},
    "models": {"worker", "contract"},
    "specs": {"contract"},
    "registry": {"specs", "contract", "exclusive"},
    "plan": {"specs", "registry", "contract"},
    "runs": {"contract", "specs", "exclusive"},
    "images": {"specs", "contract", "exclusive"},
    "demo": {"contract"},
    "engines": {"specs", "contract", "images", "runs", "registry"},
    "forecast": {"contract", "specs", "plan", "runs"},
    "runner": {"plan", "runs", "engines", "contract", "specs", "forecast"},
    "conformance": {"contract", "specs", "registry", "plan", "runs", "engines", "runner", "demo"},
    "scaffold": {"specs"},
    "cleanup": {"contract", "specs", "registry", "plan", "images", "runs", "engines", "runner",
                "exclusive"},
    "verify": {"contract", "plan", "runs"},
    "doctor": {"specs", "registry", "images", "engines"},
    "evaluation": {"worker", "contract"},
    "scoring": {"contract", "specs", "registry", "plan", "runs", "engines", "images", "runner",
                "exclusive"},
    "report": {"contract", "specs", "registry", "runs"},
    "compare": {"contract", "runs", "report"},
    "tracking": {"contract", "runs", "exclusive"},
    "afterwards": {"contract", "runs", "engines", "runner", "scoring", "report", "tracking"},
    "api": {"specs", "registry", "plan", "runs", "engines", "runner", "scoring",
            "report", "contract", "forecast"},
    "cli": {"afterwards", "scoring", "report", "tracking", "api", "specs", "registry", "plan",
            "runs", "engines", "runner", "images", "demo", "contract", "conformance",
            "scaffold", "cleanup", "verify", "compare", "doctor"},
}  # fmt: skip
#: The one exception: `python -m multiverse.runner.cli` is kept for scripts.
EXCEPTIONS = {("runner/cli.py", "cli")}


def rooms_imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "multiverse":
                names = [f"multiverse.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "multiverse" and len(parts) > 1:
                found.add(parts[1])
    return found - {"errors", "__version__"}


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_keeps_to_the_map(room: str) -> None:
    place = PACKAGE / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [PACKAGE / f"{room}.py"]
    assert files
    for path in files:
        name = path.relative_to(PACKAGE).as_posix()
        excepted = {target for file, target in EXCEPTIONS if file == name}
        strangers = rooms_imported(path) - MAY_IMPORT[room] - {room} - excepted
        assert not strangers, f"{name} imports {strangers}"


def test_every_room_is_on_the_map() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    rooms |= {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    assert rooms - {"errors"} == set(MAY_IMPORT)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_loads_nothing_but_the_parser() -> None:
    loaded = loaded_by("from multiverse.cli.parser import make_parser; make_parser()")
    assert not loaded & {"pydantic", "rich", "numpy", "docker", "h5py", "ruamel"}


def test_the_host_side_loads_no_stack_of_a_model() -> None:
    loaded = loaded_by("import multiverse.cli.run, multiverse.cli.show, multiverse.cli.register")
    assert not loaded & {"scanpy", "torch", "scvi", "jax", "mlflow", "umap", "sklearn", "mudata"}


def test_the_worker_loads_neither_docker_nor_the_runner() -> None:
    code = "import sys, multiverse.worker\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"docker", "multiverse.runner", "multiverse.engines", "multiverse.api"}


@pytest.mark.parametrize("module", ["multiverse", "multiverse.contract", "multiverse.plan"])
def test_what_is_exported_exists_and_is_sorted(module: str) -> None:
    names = importlib.import_module(module).__all__
    assert all(hasattr(importlib.import_module(module), name) for name in names)
    assert list(names) == sorted(
        names, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )


#: The modules that name files; elsewhere a name comes from them.
NAMING = {"runs/folder.py", "contract/paths.py", "contract/evaluation.py", "registry/datasets.py"}


def file_names() -> set[str]:
    """Every name that a class of files has."""
    place = Path("place")
    dataset = RegisteredDataset(None, place)  # type: ignore[arg-type]
    files = [OutputFiles(place), RunFolder(place), AttemptFolder(place), ResultsFolder(place)]
    found = {
        value.name
        for item in (*files, EvaluationFiles(place, place), dataset)
        for name, kind in inspect.getmembers(type(item), lambda kind: isinstance(kind, property))
        if isinstance(value := kind.fget(item) if name != "number" else None, Path)
    }
    found |= {ResultsFolder(place).scores("x").name, ResultsFolder(place).embeddings("x").name}
    return {name for name in found if "." in name}


def test_names_of_files_stand_in_the_modules_that_name_files() -> None:
    names = file_names()
    assert {"run.json", "scores.json", "embeddings.h5", "metrics.jsonl", "data.h5mu"} <= names
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place in NAMING:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                last = node.value.rpartition("/")[2]
                assert last not in names, f"{place}:{node.lineno} names {last} itself"
