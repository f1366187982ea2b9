"""The locked environment of a model, for the embedded engine: made once by uv, then reused.

An environment is addressed by what it consists of: the model's lock, the exact Python and the
platform. It is made where it will stay (compiled files and scripts name their own place), under a
file lock, and counts only once its marker is written: a killed installation is started again, and
two runners never build the same one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from multiverse.contract.files import write_aside
from multiverse.errors import BuildError
from multiverse.events import Noted, Tell, silent
from multiverse.exclusive import exclusive
from multiverse.images import settle
from multiverse.images.locks import PYTORCH_INDEX, needs_pytorch_index
from multiverse.images.offline.pip_settings import PipSettings
from multiverse.images.sdk import content_hash, copy_files, sdk_files
from multiverse.images.sources import read_text
from multiverse.specs.model import ModelSpec

PYTHON_VERSION = "3.11"
MARKER = "complete.json"

#: Of the caller's environment, what would steer uv to another project or interpreter.
_FORGOTTEN = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_PROJECT")


@dataclass(frozen=True)
class LockedEnvironment:
    """An environment that is complete.

    ``python`` runs in it; ``sdk`` belongs on ``PYTHONPATH``; ``lock_hash`` (SHA-256, hex) covers
    the lock, the Python, the platform and the SDK: everything that an image's digest would cover.
    """

    python: Path
    lock_hash: str
    sdk: Path
    folder: Path


@dataclass(frozen=True)
class _Interpreter:
    path: str
    version: str


def prepare_environment(model: ModelSpec, *, cache: Path, tell: Tell) -> LockedEnvironment:
    """Return the environment of ``model`` below ``cache``, made or repaired if need be.

    Raises :class:`BuildError` without Python 3.11, without a lock, or when uv fails.
    """
    if not model.requirements.is_file():
        raise BuildError(
            f"the model {model.name} has no requirements.txt in {model.folder}",
            remedy="lock its packages: uv pip compile --generate-hashes requirements.in",
        )
    interpreter = _find_python(tell)
    lock = _lock_identity(model.requirements, interpreter)
    folder = _folder(model, interpreter, cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not _is_complete(folder):
        words = f"another process makes the environment of {model.name}: waiting for it"
        with exclusive(environment_lock(folder), waiting=lambda: tell(Noted(words))):
            if not _is_complete(folder):
                _make(model, folder, interpreter, tell)
    files = sdk_files(model)
    sdk_identity = content_hash(files)
    sdk = _sdk_folder(sdk_identity, cache)
    if not sdk.is_dir():
        _put_aside(model, sdk, _python_of(folder))
    lock_hash = hashlib.sha256(f"{lock}\n{sdk_identity}\n".encode()).hexdigest()
    return LockedEnvironment(_python_of(folder), lock_hash, sdk, folder)


def environment_lock(folder: Path) -> Path:
    """Return the file that is locked while the environment in ``folder`` is made or removed."""
    return folder.with_name(f".{folder.name}.lock")


def is_prepared(model: ModelSpec, *, cache: Path) -> bool:
    """Return whether :func:`prepare_environment` would find the environment complete."""
    if not model.requirements.is_file():
        return False
    try:
        interpreter = _find_python(silent, fetch=False)
    except BuildError:
        return False
    return _is_complete(_folder(model, interpreter, cache))


def used_folders(models: Iterable[ModelSpec], *, cache: Path) -> frozenset[Path]:
    """Return the folders of the environments of ``models`` and of their copies of the SDK.

    Raises :class:`BuildError` without Python 3.11: none is fetched for this.
    """
    interpreter = _find_python(silent, fetch=False)
    folders: set[Path] = set()
    for model in models:
        folders.add(_folder(model, interpreter, cache))
        folders.add(_sdk_folder(content_hash(sdk_files(model)), cache))
    return frozenset(folders)


def _folder(model: ModelSpec, interpreter: _Interpreter, cache: Path) -> Path:
    lock = _lock_identity(model.requirements, interpreter)
    return cache / "environments" / lock[:16]


def _sdk_folder(identity: str, cache: Path) -> Path:
    return cache / "sdk" / identity[:16]


def _make(model: ModelSpec, folder: Path, interpreter: _Interpreter, tell: Tell) -> None:
    tell(Noted(f"Making the environment of {model.image_tag} in {folder}"))
    started = time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)
    _install(model.requirements, folder, interpreter, ["--compile-bytecode"])
    seconds = time.monotonic() - started
    record = {"model": model.name, "python": interpreter.version, "seconds": round(seconds, 1)}
    write_aside(folder / MARKER, json.dumps(record) + "\n")
    tell(Noted(f"Made the environment of {model.name} in {seconds:.1f} s"))


def _is_complete(folder: Path) -> bool:
    """Return whether the marker is there and the Python behind the environment still exists."""
    return (folder / MARKER).is_file() and os.access(_python_of(folder), os.X_OK)


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _put_aside(model: ModelSpec, target: Path, python: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as scratch:
        made = Path(scratch, "sdk")
        copy_files(sdk_files(model), made)
        # Compiled by the Python that will run it, which may not be the one that runs this.
        done = subprocess.run(
            [str(python), settle.__file__, str(made)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise _not_compiled(model, made, done.stdout or done.stderr)
        try:
            made.rename(target)
        except OSError:
            # Another runner was faster: the content is the same by its name.
            if not target.is_dir():
                raise


def _not_compiled(model: ModelSpec, made: Path, output: str) -> BuildError:
    """Return Python's error on a file, naming the author's file instead of its copy."""
    said = output.replace(str(made / "multiverse" / model.place), str(model.folder))
    lines = "\n".join(f"  {line}" for line in said.splitlines() if line.strip())
    return BuildError(
        f"the sources of {model.name} can't be compiled; Python says:\n{lines}",
        remedy="correct the file that is named above, then run again",
    )


def _lock_identity(requirements: Path, interpreter: _Interpreter) -> str:
    parts = [
        read_text(requirements),
        interpreter.version,
        sys.platform,
        platform.machine(),
        *platform.libc_ver(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _find_python(tell: Tell, *, fetch: bool = True) -> _Interpreter:
    """Find Python 3.11 as uv does (``UV_PYTHON_DOWNLOADS`` says whether it may fetch one)."""
    settings = PipSettings.of_host()
    done = _run(["python", "find", "--no-project", PYTHON_VERSION], settings)
    if done.returncode != 0 and fetch:
        tell(Noted(f"There is no Python {PYTHON_VERSION} here: asking uv to fetch it."))
        _run(["python", "install", PYTHON_VERSION], settings)
        done = _run(["python", "find", "--no-project", PYTHON_VERSION], settings)
    if done.returncode != 0:
        raise BuildError(
            f"there is no Python {PYTHON_VERSION} on this machine, and uv can't fetch one",
            remedy=f"install it (apt-get install python{PYTHON_VERSION}), or use --engine docker",
        )
    path = done.stdout.strip()
    asked = subprocess.run(
        [path, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise BuildError(f"{path} does not run: {asked.stderr.strip()}")
    return _Interpreter(path, asked.stdout.strip())


def make_environment(lock: Path, folder: Path, *, compiled: bool = True) -> Path:
    """Make an environment with just what a lock names, in a new ``folder``; return its Python.

    Raises :class:`BuildError` without Python 3.11, or when uv fails.
    """
    options = ["--compile-bytecode"] if compiled else []
    _install(lock, folder, _find_python(silent), options)
    return _python_of(folder)


def _install(lock: Path, folder: Path, interpreter: _Interpreter, options: Sequence[str]) -> None:
    """Make an environment. PyTorch's own index is asked second, and only if the lock needs it.

    The host's settings may know a folder of wheels and no way to the internet.
    """
    settings = PipSettings.of_host()
    _uv(["venv", "--no-project", "--python", interpreter.path, str(folder)], settings, lock)
    install = ["pip", "sync", "--python", str(_python_of(folder)), "--require-hashes"]
    arguments = [*install, *options, *settings.uv_arguments(), str(lock)]
    try:
        _uv(arguments, settings, lock)
    except BuildError:
        if settings.no_index or not needs_pytorch_index(lock):
            raise
        indexes = (*settings.extra_index_urls, PYTORCH_INDEX)
        _uv(arguments, replace(settings, extra_index_urls=indexes), lock)


def _uv(arguments: Sequence[str], settings: PipSettings, lock: Path) -> None:
    done = _run(arguments, settings)
    if done.returncode != 0:
        lines = "\n".join(f"  {line}" for line in done.stderr.splitlines()[-20:])
        raise BuildError(
            f"the environment of {lock.parent.name} could not be made; uv says:\n{lines}",
            remedy="check the network and pip's settings (pip config list), then run again",
        )


def _run(arguments: Sequence[str], settings: PipSettings) -> subprocess.CompletedProcess[str]:
    from uv import find_uv_bin

    environment = {k: v for k, v in os.environ.items() if k not in _FORGOTTEN}
    try:
        command = [find_uv_bin(), *arguments]
    except FileNotFoundError as error:
        raise BuildError("uv is not installed", remedy="pip install uv") from error
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # A uv.toml of the folder that multiverse happens to be called from must not count.
        cwd=tempfile.gettempdir(),
        env={**environment, **settings.uv_environment()},
        check=False,
    )
