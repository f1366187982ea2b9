"""NVIDIA's GPUs of this machine, as their driver lists them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multiverse.engines.log_sink import printable
from multiverse.engines.protocol import Gpu

#: UUIDs are asked for because ``CUDA_VISIBLE_DEVICES`` may name GPUs by them.
COMMAND = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total",
    "--format=csv,noheader,nounits",
)
#: A driver that hangs must not keep a command from running jobs on the CPU.
TIMEOUT_SECONDS = 10.0
MIB = 1024**2
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"


def nvidia_gpus(environment: Mapping[str, str] | None = None) -> tuple[Gpu, ...]:
    """Return the GPUs that jobs may have; none where the driver's tool is absent or fails.

    Their ids are the driver's numbers (the order of the PCI bus), which is what container engines
    call them. Where ``CUDA_VISIBLE_DEVICES`` is set, as a batch system does, only the GPUs that it
    names are listed, in its order. The memory is in bytes, 0 where the driver does not tell it.
    """
    variables = os.environ if environment is None else environment
    listed = [*_listed()]
    chosen = variables.get(VISIBLE_VARIABLE)
    return tuple(item.gpu for item in (listed if chosen is None else _visible(listed, chosen)))


@dataclass(frozen=True)
class _Listed:
    gpu: Gpu
    uuid: str


def _listed() -> Iterator[_Listed]:
    """Yield every GPU that the driver's tool lists."""
    try:
        done = subprocess.run(
            COMMAND,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.decode(errors="replace").splitlines():
        fields = [printable(field).strip() for field in line.split(",")]
        if len(fields) >= 4 and fields[0].isdecimal():
            number, uuid, *name, memory = fields
            size = int(memory) * MIB if memory.isdecimal() else 0
            yield _Listed(Gpu(id=number, name=", ".join(name)[:200], memory=size), uuid)


def _visible(listed: list[_Listed], chosen: str) -> list[_Listed]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES`` names, by number or start of a UUID.

    As for CUDA itself, what comes after a name of no GPU (``-1``) is not visible.
    """
    found: list[_Listed] = []
    for name in (part.strip() for part in chosen.split(",")):
        matches = [
            item
            for item in listed
            if item.gpu.id == name or (name.startswith("GPU-") and item.uuid.startswith(name))
        ]
        if len(matches) != 1:
            break
        found += [item for item in matches if item not in found]
    return found
