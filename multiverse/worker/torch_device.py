"""PyTorch as a job wants it: its device, its threads, its seed, repeatable."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from multiverse.errors import MultiverseError
from multiverse.worker.job import GIB, MemoryTooSmall

if TYPE_CHECKING:
    from multiverse.worker.job import Job


class DeviceMissing(MultiverseError):
    """A GPU was asked for and is not there; nothing is run on the CPU instead."""


def prepare_torch(job: Job) -> Any:
    """Import PyTorch and set it up for a job; returns the ``torch.device`` to compute on.

    Threads are the job's. Only deterministic algorithms are used: on a CPU the same seed and
    threads repeat bit for bit; on a GPU an operation that has no deterministic form is an error.
    Raises :class:`DeviceMissing`.
    """
    # cuBLAS reads it when it starts: https://docs.pytorch.org/docs/stable/notes/randomness.html
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    device = torch.device(job.device)
    if device.type == "cuda":
        _check_cuda(torch, job)
        job.record(gpu=torch.cuda.get_device_name(device), cuda=torch.version.cuda)
    job.seed_everything()
    return device


def _check_cuda(torch: Any, job: Job) -> None:
    if not torch.cuda.is_available():
        built = "has no CUDA in it" if torch.version.cuda is None else "finds no GPU"
        raise DeviceMissing(
            f"the device {job.device} was asked for, but PyTorch {torch.__version__} {built}",
            remedy="Run with --device cpu, or the image's CUDA variant on a machine with a GPU.",
        )
    index = torch.device(job.device).index or 0
    present = torch.cuda.device_count()
    if index >= present:
        raise DeviceMissing(
            f"the device {job.device} was asked for, but there are only {present} GPUs",
            remedy=f"Use cuda:0 to cuda:{present - 1}.",
        )


def torch_gpu() -> dict[str, Any] | None:
    """Return the GPU that PyTorch has computed on: its name, and the most bytes held there.

    Of several, the one with the most. None where PyTorch has not been imported, or has not
    started CUDA; nothing is imported or started to find that out.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    peaks = {
        number: int(torch.cuda.max_memory_allocated(number))
        for number in range(torch.cuda.device_count())
    }
    used = max(peaks, key=lambda number: peaks[number])
    return {"name": torch.cuda.get_device_name(used), "peak_memory_bytes": peaks[used]}


def require_memory(job: Job, device: Any, n_bytes: float, what: str) -> None:
    """Stop before training where ``n_bytes`` exceed the memory that it is held in.

    On a CPU that is the job's memory; on a GPU what is free there now. Raises
    :class:`~multiverse.worker.job.MemoryTooSmall`.
    """
    if device.type == "cpu":
        job.require_memory(n_bytes, what)
        return
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    if n_bytes > free:
        raise MemoryTooSmall(
            f"{what} needs about {n_bytes / GIB:.1f} GiB of GPU memory, and {free / GIB:.1f} GiB "
            "are free",
            remedy="Use a GPU with more, a smaller model or fewer features, or --device cpu.",
        )
