"""The rooms import only what the map allows, and start-up imports nothing heavy."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import multiverse
from multiverse.contract.evaluation import EvaluationFiles
from multiverse.contract.paths import OutputFiles
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from tests.third_party import install_engine
from tests.unit.scoring.made import register

PACKAGE = Path(multiverse.__file__).parent

#: Room → rooms it may import (the architecture's table; itself, errors and GROUND always).
MAY_IMPORT: dict[str, set[str]] = {
    "facts": {"contract"},
    "events": {"facts"},
    "lazy": set(),
    "exclusive": {"contract"},
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
    "inspection": {"specs", "registry", "plan", "engines", "runner", "forecast"},
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
    "api": {"specs", "registry", "plan", "runs", "engines", "images", "runner",
            "scoring", "report", "compare", "tracking", "verify", "cleanup", "doctor",
            "conformance", "scaffold", "demo", "contract", "forecast", "inspection"},
    "cli": {"api", "specs", "registry", "contract", "runs", "engines", "images", "runner",
            "scoring", "report", "compare", "tracking", "verify", "cleanup", "doctor",
            "conformance", "inspection"},
}  # fmt: skip
#: For every room but those that are in containers.
GROUND = {"events", "facts", "lazy"}
GROUND_MODULES = {"multiverse.errors", *(f"multiverse.{name}" for name in GROUND)}
INSIDE = {"contract", "worker", "models", "evaluation"}
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
        ground = set() if room in INSIDE | GROUND else GROUND
        strangers = rooms_imported(path) - MAY_IMPORT[room] - ground - {room} - excepted
        assert not strangers, f"{name} imports {strangers}"


def test_every_room_is_on_the_map() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    rooms |= {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    assert rooms - {"errors"} == set(MAY_IMPORT)


def test_only_commands_speak_in_lines() -> None:
    """Everything below ``cli`` tells events; inside a container a model has a log of its own."""
    spoken = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        if room in INSIDE | {"cli"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.arg | ast.keyword):
                continue
            foreign = (
                isinstance(node, ast.arg)
                and node.arg == "tell"
                and ast.unparse(node.annotation or node) != "Tell"
            )
            if foreign or node.arg in ("say", "listener"):
                spoken.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not spoken


COMMANDS = sorted((PACKAGE / "cli").glob("*.py"))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_commands_import_what_rooms_export(path: Path) -> None:
    """No module of another room: what a command needs, ``api`` does or a room exports."""
    strangers = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            strangers += [name.name for name in node.names if name.name.startswith("multiverse")]
        if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith("multiverse"):
            continue
        module = str(node.module)
        names = {name.name for name in node.names}
        if module.startswith("multiverse.cli.") or module in GROUND_MODULES:
            continue
        exported = set(importlib.import_module(module).__all__) if module.count(".") <= 1 else set()
        strangers += [f"{module}.{name}" for name in names - exported]
    assert not strangers


def takes_a_namespace(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(argument.annotation, ast.Name) and argument.annotation.id == "Namespace"
        for argument in [*node.args.args, *node.args.kwonlyargs]
    )


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_arguments_are_read_in_one_place(path: Path) -> None:
    """A namespace, which has no types, is seen by ``read`` alone; commands take a dataclass."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if takes_a_namespace(node)]
    names = [node.name for node in functions if isinstance(node, ast.FunctionDef)]
    if path.stem == "arguments":
        assert all(name.startswith("read_") for name in names)
    else:
        assert names in ([], ["read"])


#: The least that each command can be told.
LEAST = {
    "build": ["pca"], "check": ["pca"], "compare": ["a", "b"], "inspect": ["a"],
    "new-model": ["my_model"], "register": ["data.h5mu"], "run": ["benchmark.yaml"],
    "schema": ["model"], "show": ["9db9"],
}  # fmt: skip


def command_names() -> list[str]:
    from multiverse.cli.parser import make_parser

    (commands,) = [action for action in make_parser()._actions if isinstance(action.choices, dict)]
    return sorted(commands.choices or ())


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_frozen_arguments_of_the_types_that_it_says(name: str) -> None:
    from multiverse.cli.parser import make_parser

    module = importlib.import_module(f"multiverse.cli.{name.replace('-', '_')}")
    arguments = module.read(make_parser().parse_args([name, *LEAST.get(name, [])]))
    kinds = typing.get_type_hints(type(arguments))
    assert typing.get_type_hints(module.read)["return"] is type(arguments)
    assert typing.get_type_hints(module.main) == {"arguments": type(arguments), "return": int}
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(arguments, next(iter(kinds)), None)
    for field, kind in kinds.items():
        value = getattr(arguments, field)
        if isinstance(kind, type):
            assert isinstance(value, kind), field
        else:
            TypeAdapter(kind).validate_python(value, strict=True)


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


#: An engine of a third party that starts nothing, and notes what is loaded when it is asked to.
NOTING_ENGINE = """
import json
import sys
from pathlib import Path

from multiverse.errors import EngineError

loaded = {}

class Engine(BareEngine):
    name = "noting"

    def prepare(self, model, *, build, tell):
        loaded["prepare"] = sorted(sys.modules)
        return Runtime(model=model, environment_lock="none")

    def start(self, execution):
        loaded["start"] = sorted(sys.modules)
        Path("loaded.json").write_text(json.dumps(loaded))
        raise EngineError("starts nothing")
"""
#: What only the steps after a run need, or another command.
LATER = (
    "multiverse.cli.json_events", "multiverse.contract.evaluation", "multiverse.contract.scores",
    "multiverse.report", "multiverse.runs.scores", "multiverse.scoring.evaluate",
    "multiverse.tracking", "anndata", "matplotlib", "mlflow", "mudata", "pandas", "scipy",
)  # fmt: skip


def test_a_run_loads_what_follows_it_after_its_first_job(tmp_path: Path) -> None:
    """It waits for its imports; HDF5 is loaded beside the start of the first container."""
    register(tmp_path / "home")
    install_engine(tmp_path, "noting", NOTING_ENGINE)
    done = subprocess.run(
        [sys.executable, "-m", "multiverse", "run", "--engine", "noting", "--models", "pca",
         "--dataset", "tiny", "--output", "results"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "MULTIVERSE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert "starts nothing" in done.stdout, done.stderr
    loaded = json.loads((tmp_path / "loaded.json").read_text())
    assert not set(LATER) & set(loaded["start"])
    assert not {"h5py", "numpy"} & set(loaded["prepare"])


def test_the_worker_loads_neither_docker_nor_the_runner() -> None:
    code = "import sys, multiverse.worker\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"docker", "multiverse.runner", "multiverse.engines", "multiverse.api"}


def exporting() -> list[str]:
    """Every room that exports names."""
    rooms = [path for path in PACKAGE.glob("*/__init__.py") if "__all__ = " in path.read_text()]
    return ["multiverse", *sorted(f"multiverse.{path.parent.name}" for path in rooms)]


def test_loading_what_a_room_exports_is_put_off() -> None:
    rooms = [name for name in exporting() if "lazily(" in source_of(name)]
    assert "multiverse.api" in rooms
    loaded = loaded_by("\n".join(f"import {room}" for room in rooms))
    assert not loaded & {"pydantic", "rich", "numpy", "docker", "h5py", "ruamel"}


def source_of(module: str) -> str:
    return Path(str(importlib.import_module(module).__file__)).read_text()


@pytest.mark.parametrize("module", exporting())
def test_what_is_exported_exists_and_is_sorted(module: str) -> None:
    names = importlib.import_module(module).__all__
    assert all(hasattr(importlib.import_module(module), name) for name in names)
    assert list(names) == sorted(
        names, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )


#: The modules that open HDF5 files themselves: the door; writers; readers of what we wrote, in
#: the home of datasets and in a container's ``/input``.
OPENS_HDF5 = {
    "contract/hdf5.py", "contract/hdf5_text.py", "contract/cells.py", "worker/outputs.py",
    "worker/data.py", "registry/guarded.py", "scoring/embeddings_file.py",
    "conformance/tiny_data.py", "evaluation/modalities.py", "evaluation/sheet.py",
    "evaluation/run.py", "demo/real_rna.py",
}  # fmt: skip
OPENERS = {"h5py.File", "h5f.open", "h5py.h5f.open", "read_h5ad", "read_h5mu", "read_hdf"}


def test_hdf5_of_others_is_opened_by_the_door_alone() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if {called, called.rpartition(".")[2]} & OPENERS:
                    found.add(path.relative_to(PACKAGE).as_posix())
    assert found == OPENS_HDF5


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


#: Rooms that read and write in results folders, which others may share.
SHARED_FOLDERS = ("runs", "runner", "scoring", "report", "tracking", "verify", "compare", "cleanup")
#: Methods of a path that follow links on the way, and `os`'s that go by path.
BY_PATH = frozenset(
    {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rename", "mkdir",
     "rmdir", "chmod", "exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "touch",
     "symlink_to", "hardlink_to", "lstat", "stat", "scandir", "listdir", "rmtree"}
)  # fmt: skip
#: The calls among them that reach no results folder, or go by a descriptor.
NOT_BY_PATH = {
    "cleanup/leftovers.py": {"root.glob", "path.lstat"},  # the scratch folders of the machine
    "cleanup/unused_datasets.py": {"folder.current.exists"},  # of this user's home
    "cleanup/unused_environments.py": {"model.requirements.is_file", "(folder / MARKER).read_text"},
    "report/page/document.py": {"(files(ASSETS) / 'assets' / name).read_text"},
    "runner/guard.py": {"os.scandir"},
    "runner/host.py": {"Path('/proc/cpuinfo').read_text"},
    "runner/signals.py": {"Path('/proc').iterdir", "(folder / 'stat').read_bytes"},
    "runs/clock.py": {"Path(f'/proc/{pid}/stat').read_text", "_BOOT.read_text"},
    "runs/places.py": {"os.scandir", "entry.is_dir"},
    "runs/publish.py": {"os.listdir"},
    "scoring/answers.py": {"dataset.labels.is_file"},
    "scoring/embeddings_file.py": {"dataset.labels.is_file"},
    "scoring/evaluator.py": {"self.dataset.labels.is_file"},
    "tracking/files.py": {"(folder / artifact.path.name).write_bytes"},  # private copies
    "tracking/sync.py": {"files.mkdir"},
    "verify/comparison.py": {"os.listdir"},
    "verify/verify.py": {"os.scandir", "entry.stat"},
}


@pytest.mark.parametrize("room", SHARED_FOLDERS)
def test_results_folders_are_reached_through_one_door(room: str) -> None:
    """By ``contract.folders`` and ``contract.files``, which follow no link at any level."""
    found: dict[str, set[str]] = {}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            call = ast.unparse(node.func)
            by_descriptor = any("dir_fd" in str(word.arg) for word in node.keywords)
            if node.func.attr in BY_PATH and not by_descriptor and call != "Results.open":
                found.setdefault(name, set()).add(call)
    allowed = {name: calls for name, calls in NOT_BY_PATH.items() if name.startswith(f"{room}/")}
    assert found == allowed
