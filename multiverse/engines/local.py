"""The embedded engine: one locked environment a model, run as a process of this machine.

It isolates by environment only: no image, no network barrier, no read-only root. The record
and the terminal say so.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from multiverse.contract.folders import (
    name_of_opened,
    opened_folder,
    remove_tree,
    temporary_root,
)
from multiverse.contract.paths import DATA_FILE, INPUT_VARIABLE, OUTPUT_VARIABLE
from multiverse.engines.cgroup import own_memory_limit
from multiverse.engines.gpus import nvidia_gpus
from multiverse.engines.local_process import (
    LABELS_VARIABLE,
    LocalProcess,
    kill_labelled,
    label_lines,
    labelled,
)
from multiverse.engines.protocol import Capacity, Echo, Execution, Orphan, Running, Runtime
from multiverse.errors import EngineError, ImageMissing
from multiverse.events import Tell
from multiverse.facts import EngineFacts
from multiverse.images.environment import LockedEnvironment, is_prepared, prepare_environment
from multiverse.registry.home import cache
from multiverse.specs.model import ModelSpec

ISOLATION = "environment only: a locked environment and a process, no container"


class LocalEngine:
    """The engine ``local``."""

    name = "local"

    def facts(self) -> EngineFacts:
        return EngineFacts(name=self.name, version=platform.release(), isolation=ISOLATION)

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        """Return the model's locked environment, made first if it is not there and ``build``."""
        if not model.requirements.is_file():
            raise ImageMissing(
                f"{model.name} has no requirements.txt, so it runs in its image only",
                remedy="Run it with --engine docker.",
            )
        if not build and not is_prepared(model, cache=cache()):
            raise ImageMissing(
                f"the environment of {model.name} is not on this machine",
                remedy="Run once without --no-build.",
            )
        environment = prepare_environment(model, cache=cache(), tell=tell)
        return Runtime(model=model, environment_lock=environment.lock_hash, handle=environment)

    def check_device(self, device: str) -> None:
        if device != "cpu" and not Path("/dev/nvidiactl").exists():
            raise EngineError(
                f"device {device} was asked for, but this machine has no NVIDIA GPU",
                remedy="Run with --device cpu, or on a machine with a GPU.",
            )

    def device_inside(self, device: str) -> str:
        """Return the name of a process's device: it sees the one GPU it is given, as the first."""
        return "cpu" if device == "cpu" else "cuda"

    def capacity(self) -> Capacity:
        """Return what this process may use; a batch system or container may have limited it."""
        cpus = float(len(psutil.Process().cpu_affinity() or [0]))
        memory = min(psutil.virtual_memory().total, own_memory_limit() or sys.maxsize)
        return Capacity(cpus, memory, nvidia_gpus())

    def start(self, execution: Execution) -> Running:
        with ExitStack() as held:
            scratch = held.enter_context(scratch_folder(execution.labels))
            output = held.enter_context(opened_folder(execution.output))
            environment: LockedEnvironment = execution.runtime.handle
            if execution.more_inputs:
                execution = replace(execution, data=gathered(execution, scratch / "input"))
            return LocalProcess.start(
                command(environment, execution.runtime.model),
                environment=variables(execution, environment, scratch, output),
                scratch=scratch,
                held=held,
                execution=execution,
            )

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        """Return processes that carry these labels. Only their parent could learn how they end."""
        found = {tuple(sorted(seen.items())) for seen in labelled(labels)}
        return [
            Orphan(labels=dict(seen), running=True, adoptable=False, handle=None) for seen in found
        ]

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:  # noqa: ARG002
        raise EngineError("a process whose runner was killed can't be taken over")

    def sweep(self, labels: Mapping[str, str]) -> int:
        """End processes that carry these labels, and remove their scratch folders."""
        ended = kill_labelled(labels)
        for folder in temporary_root().glob(scratch_prefix(labels) + "*"):
            with suppress(OSError):
                remove_tree(folder)
        return ended


@contextmanager
def scratch_folder(labels: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder for what a job leaves on the way, and remove it with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix=scratch_prefix(labels), dir=temporary_root()))
    try:
        yield folder
    finally:
        with suppress(OSError):
            remove_tree(folder)


def gathered(execution: Execution, folder: Path) -> Path:
    """Make a folder that looks like ``/input``; return where the dataset is in it."""
    for name, path in {DATA_FILE: execution.data, **execution.more_inputs}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(path.resolve())
    return folder / DATA_FILE


def scratch_prefix(labels: Mapping[str, str]) -> str:
    """Return the prefix of the scratch folders of jobs with these labels."""
    name = labels.get("multiverse.results") or labels.get("multiverse.evaluation", "")
    owner = hashlib.sha256(name.encode()).hexdigest()[:12]
    run = labels.get("multiverse.run")
    return f"multiverse-{owner}-" + (f"{run}-" if run else "")


def command(environment: LockedEnvironment, model: ModelSpec) -> list[str]:
    """Return the command that starts the model, also one from outside the package."""
    return [str(environment.python), "-m", model.module]


def _path_inside(descriptor: int, path: Path) -> Path:
    """Return the path of an opened folder that a job is given."""
    try:
        return name_of_opened(descriptor)
    except FileNotFoundError:  # systems without /proc
        return path


def variables(
    execution: Execution, environment: LockedEnvironment, scratch: Path, output: int
) -> dict[str, str]:
    """Return clean environment variables: nothing of the caller's but the language.

    ``output``: the opened output folder. A model writes there whatever takes its place meanwhile.
    """
    numba = environment.folder / "numba-cache"
    clean = {
        "PATH": f"{environment.python.parent}:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "MPLCONFIGDIR": str(numba / "matplotlib"),  # its list of fonts takes seconds to make
        "NUMBA_CACHE_DIR": str(numba),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONPATH": str(environment.sdk),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        INPUT_VARIABLE: str(execution.data),
        OUTPUT_VARIABLE: str(_path_inside(output, execution.output)),
        LABELS_VARIABLE: "\n".join(label_lines(execution.labels)),
    }
    _, _, gpu = execution.device.partition(":")
    clean["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # so that CUDA numbers GPUs as nvidia-smi does
    if gpu:
        clean["CUDA_VISIBLE_DEVICES"] = gpu
    elif execution.device != "cpu" and "CUDA_VISIBLE_DEVICES" in os.environ:
        clean["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return {**clean, **execution.environment}
