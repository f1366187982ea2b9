"""NVIDIA's GPUs: the driver, and whether containers and processes can have them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene
from multiverse.engines.gpus import nvidia_gpus
from multiverse.errors import EngineError
from multiverse.specs.quantity import format_bytes

AREA = "gpu"
DRIVER = "nvidia-smi"
DEVICES = Path("/dev/nvidiactl")


def check_gpu(scene: Scene) -> Iterator[MachineFinding]:
    """Check each GPU, and what stands between it and a job."""
    gpus = nvidia_gpus()
    for gpu in gpus:
        yield ok(AREA, f"{gpu.id}: {gpu.name}, {format_bytes(gpu.memory)}")
    if not gpus and (shutil.which(DRIVER) or DEVICES.exists()):
        yield warning(
            AREA,
            f"NVIDIA's driver is here, but {DRIVER} lists no GPU",
            f"Run {DRIVER}: after an update of the driver, the machine must be started again. "
            "CUDA_VISIBLE_DEVICES may hide it.",
        )
    elif not gpus:
        yield ok(AREA, "no NVIDIA GPU: models run on the CPU")
    else:
        yield from _of_containers(scene)


def _of_containers(scene: Scene) -> Iterator[MachineFinding]:
    try:
        with scene.daemon() as client:
            info = client.info()
    except EngineError as problem:
        yield note(AREA, f"not known whether containers can have them: {problem}")
        return
    if "nvidia" in (info.get("Runtimes") or {}) or info.get("DiscoveredDevices"):
        yield ok(AREA, "the daemon can give them to containers")
    else:
        yield warning(
            AREA,
            "the daemon can't give them to containers",
            "Install the NVIDIA container toolkit: nvidia-ctk runtime configure "
            "--runtime=docker, then restart Docker.",
        )
