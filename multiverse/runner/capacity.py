"""The capacity that jobs may use together, and the part of it that is free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from multiverse.engines.protocol import Capacity
from multiverse.errors import UsageError
from multiverse.events import Noted, Tell
from multiverse.plan.job import Limits, PlannedJob
from multiverse.specs.quantity import format_bytes

GIB = 1024**3
#: What is left to the system and to the runner itself: a tenth of the memory, within bounds.
LEAST_RESERVE, MOST_RESERVE = GIB // 2, 2 * GIB
#: The GPU of an engine that offers one and names none (a daemon on another machine).
UNKNOWN = ""


@dataclass(frozen=True)
class Machine:
    """The limits that the user sets for all jobs together; None: what the engine has.

    ``gpus`` are ids as the engine has them, ``jobs_per_gpu`` how many share one.
    """

    cpus: float | None = None
    memory: int | None = None
    gpus: tuple[str, ...] | None = None
    jobs_per_gpu: int = 1

    def check(self) -> None:
        """Raise :class:`UsageError` for what makes no sense."""
        if self.cpus is not None and not 0 < self.cpus < math.inf:
            raise UsageError(f"--cpus must be a number above 0, not {self.cpus:g}")
        if self.jobs_per_gpu < 1:
            raise UsageError(f"--jobs-per-gpu must be at least 1, not {self.jobs_per_gpu}")


def usable(there: Capacity, machine: Machine) -> Capacity:
    """Return the part of ``there`` that jobs may use.

    Raises :class:`UsageError` for GPUs that are not there. More CPU cores or memory than there
    are is the user's own decision: limits are upper bounds, which few jobs reach together.
    """
    reserve = min(max(there.memory // 10, LEAST_RESERVE), MOST_RESERVE, there.memory // 2)
    known = {gpu.id: gpu for gpu in there.gpus}
    wanted = tuple(known) if machine.gpus is None else machine.gpus
    absent = [name for name in wanted if name not in known]
    if absent:
        raise UsageError(
            f"--gpus {','.join(absent)}: there is no such GPU",
            remedy=f"This machine has: {', '.join(known) or 'none'}.",
        )
    return Capacity(
        cpus=machine.cpus or there.cpus,
        memory=machine.memory or there.memory - reserve,
        gpus=tuple(known[name] for name in wanted),
    )


def fit(
    jobs: Sequence[PlannedJob], capacity: Capacity, tell: Tell, *, no_gpu: bool = False
) -> list[PlannedJob]:
    """Return the jobs, each within the capacity. ``no_gpu``: the user keeps jobs from GPUs.

    What a model's own defaults ask for beyond it is cut, and that is said; what the user asked
    for is not: :class:`UsageError` names each job that can never run, with the numbers.
    """
    refused = dict.fromkeys(line for job in jobs for line in _too_much(job, capacity, no_gpu))
    if refused:
        raise UsageError(
            "\n".join(refused),
            remedy="Ask for less (resources in the benchmark file, --job-cpus, --job-memory), or "
            "allow jobs more of the machine (--cpus, --memory, --gpus).",
        )
    cut = {}
    for job in jobs:
        if job.limits.cpus > capacity.cpus:
            cut[job.model.name, "CPU cores"] = f"{job.limits.cpus:g}", f"{capacity.cpus:g}"
        if job.limits.memory > capacity.memory:
            wanted, most = format_bytes(job.limits.memory), format_bytes(capacity.memory)
            cut[job.model.name, "of memory"] = wanted, most
    for (model, what), (wanted, most) in cut.items():
        words = f"{model} would like {wanted} {what} and gets {most}: there is no more for jobs"
        tell(Noted(words))
    return [replace(job, limits=within(job.limits, capacity)) for job in jobs]


def within(limits: Limits, capacity: Capacity) -> Limits:
    """Return the limits, or what there is where that is less."""
    return replace(
        limits,
        cpus=min(limits.cpus, capacity.cpus),
        memory=min(limits.memory, capacity.memory),
    )


def _too_much(job: PlannedJob, capacity: Capacity, no_gpu: bool) -> list[str]:
    """Return the reasons, with the numbers, for which a job can never run."""
    limits, found = job.limits, []
    name = f"{job.dataset.slug}/{job.model.name}"
    if "cpus" in limits.asked and limits.cpus > capacity.cpus:
        found.append(
            f"{name} can never run: it is to have {limits.cpus:g} CPU cores, and jobs may use "
            f"{capacity.cpus:g}"
        )
    if "memory" in limits.asked and limits.memory > capacity.memory:
        found.append(
            f"{name} can never run: it is to have {format_bytes(limits.memory)} of memory, and "
            f"jobs may use {format_bytes(capacity.memory)}"
        )
    _, _, gpu = job.device.partition(":")
    ids = [item.id for item in capacity.gpus]
    if gpu and ids and gpu not in ids:
        few = ", ".join(ids)
        found.append(f"{name} can never run: it is to have GPU {gpu}, and jobs may use {few}")
    if job.device != "cpu" and no_gpu:
        found.append(f"{name} can never run: it is to have a GPU, and jobs may use none")
    return found


class Room:
    """The free part of a capacity at this moment. Not made for several threads at once."""

    def __init__(self, capacity: Capacity, jobs_per_gpu: int = 1) -> None:
        self._cpus = capacity.cpus
        self._memory = capacity.memory
        self._slots = {gpu.id: jobs_per_gpu for gpu in capacity.gpus} or {UNKNOWN: jobs_per_gpu}

    def take(self, limits: Limits, device: str) -> Share | None:
        """Take the resources of a job and return them, or return None if they are not free now."""
        if limits.cpus > self._cpus + 1e-9 or limits.memory > self._memory:
            return None
        slot = None
        if device != "cpu":
            slot = self._free_gpu(device)
            if slot is None:
                return None
            self._slots[slot] -= 1
        self._cpus -= limits.cpus
        self._memory -= limits.memory
        return Share(limits.cpus, limits.memory, slot)

    def _free_gpu(self, device: str) -> str | None:
        """Return the GPU that is asked for, or the one with the fewest jobs."""
        _, _, wanted = device.partition(":")
        if UNKNOWN in self._slots:
            wanted = UNKNOWN
        free = {name: slots for name, slots in self._slots.items() if slots > 0}
        if wanted or UNKNOWN in self._slots:
            return wanted if wanted in free else None
        return max(free, key=lambda name: free[name], default=None)

    def force(self, limits: Limits, gpu: str | None) -> Share:
        """Take the resources of a job that runs already, whether there is room for it or not."""
        known = gpu if gpu in self._slots else None
        if known is not None:
            self._slots[known] -= 1
        self._cpus -= limits.cpus
        self._memory -= limits.memory
        return Share(limits.cpus, limits.memory, known)

    def give_back(self, share: Share) -> None:
        self._cpus += share.cpus
        self._memory += share.memory
        if share.slot is not None:
            self._slots[share.slot] += 1


@dataclass(frozen=True)
class Share:
    """The part of the machine that one running job holds. ``slot``: its place on a GPU."""

    cpus: float
    memory: int
    slot: str | None

    @property
    def gpu(self) -> str | None:
        """The id of its GPU, where ids are known."""
        return self.slot or None
