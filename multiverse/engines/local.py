"""The embedded engine: one locked environment a model, run as a process of this machine.

It isolates by environment only: no image, no network barrier, no read-only root. The record
and the terminal say so.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from multiverse.contract.paths import INPUT_VARIABLE, OUTPUT_VARIABLE
from multiverse.engines.local_process import (
    LABELS_VARIABLE,
    LocalProcess,
    kill_labelled,
    label_lines,
)
from multiverse.engines.protocol import Execution, Running, Runtime, Say
from multiverse.errors import EngineError, ImageMissing
from multiverse.images.environment import LockedEnvironment, is_prepared, prepare_environment
from multiverse.registry.home import cache
from multiverse.runs.record import EngineFacts
from multiverse.specs.model import ModelSpec

ISOLATION = "environment only: a locked environment and a process, no container"


class LocalEngine:
    """The engine ``local``."""

    name = "local"

    def facts(self) -> EngineFacts:
        return EngineFacts(name=self.name, version=platform.release(), isolation=ISOLATION)

    def prepare(self, model: ModelSpec, *, build: bool, say: Say) -> Runtime:
        """The model's locked environment, made first if it is not there and ``build``."""
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
        environment = prepare_environment(model, cache=cache(), say=say)
        return Runtime(model=model, environment_lock=environment.lock_hash, handle=environment)

    def check_device(self, device: str) -> None:
        if device != "cpu" and not Path("/dev/nvidiactl").exists():
            raise EngineError(
                f"device {device} was asked for, but this machine has no NVIDIA GPU",
                remedy="Run with --device cpu, or on a machine with a GPU.",
            )

    def device_inside(self, device: str) -> str:
        return device

    def cpus(self) -> float:
        return float(len(psutil.Process().cpu_affinity() or [0]))

    def start(self, execution: Execution) -> Running:
        scratch = Path(tempfile.mkdtemp(prefix="multiverse-"))
        try:
            environment: LockedEnvironment = execution.runtime.handle
            return LocalProcess.start(
                command(environment, execution.runtime.model),
                environment=variables(execution, environment, scratch),
                scratch=scratch,
                execution=execution,
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def sweep(self, labels: Mapping[str, str]) -> int:
        """End processes of earlier runners that carry these labels."""
        return kill_labelled(labels)


def command(environment: LockedEnvironment, model: ModelSpec) -> list[str]:
    """How the model is started; one from outside the package stands in the SDK's folder too."""
    return [str(environment.python), "-m", f"multiverse.models.{model.name}"]


def variables(
    execution: Execution, environment: LockedEnvironment, scratch: Path
) -> dict[str, str]:
    """A clean set of environment variables: nothing of the caller's but the language."""
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
        OUTPUT_VARIABLE: str(execution.output),
        LABELS_VARIABLE: "\n".join(label_lines(execution.labels)),
    }
    if execution.device != "cpu" and "CUDA_VISIBLE_DEVICES" in os.environ:
        clean["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return {**clean, **execution.environment}
