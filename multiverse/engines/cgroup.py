"""Reads what a container uses from its control group on this machine (cgroup v1 and v2)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class CgroupReading:
    """One look at a control group: seconds and bytes."""

    cpu_seconds: float
    memory_bytes: int
    peak_bytes: int | None
    oom_kills: int


class ControlGroup:
    """The control group of a process, or None where it can't be seen (a remote daemon)."""

    def __init__(self, memory: Path, cpu: Path, version: int) -> None:
        self._memory = memory
        self._cpu = cpu
        self._version = version

    @classmethod
    def of(cls, pid: int, container_id: str) -> ControlGroup | None:
        """Return the group of a container's first process, if it is on this machine."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return None
        return cls.from_lines(lines, container_id)

    @classmethod
    def from_lines(cls, lines: Sequence[str], container_id: str) -> ControlGroup | None:
        """Return the group that the lines of ``/proc/<pid>/cgroup`` name.

        The container's id must be part of the path: on another machine the same process
        number is somebody else. A process that has just ended is in the root of every version 1
        hierarchy, but still in its own group of version 2: only the one that is read counts.
        """
        paths: dict[str, str] = {}
        for line in lines:
            _, controllers, path = line.split(":", 2)
            paths |= dict.fromkeys(controllers.split(","), path.lstrip("/"))
        if container_id not in paths.get("memory", paths.get("", "")):
            return None
        if "memory" in paths:
            memory = CGROUP_ROOT / "memory" / paths["memory"]
            cpu = CGROUP_ROOT / "cpuacct" / paths.get("cpuacct", paths["memory"])
            return cls(memory, cpu, 1)
        unified = CGROUP_ROOT / paths[""]
        return cls(unified, unified, 2)

    @property
    def folder(self) -> Path:
        """The folder where the group's memory is accounted."""
        return self._memory

    def read(self) -> CgroupReading | None:
        """Return the figures of this moment, or None when the group is gone."""
        try:
            return self._read_v1() if self._version == 1 else self._read_v2()
        except (OSError, KeyError, ValueError):
            return None

    def _read_v1(self) -> CgroupReading:
        return CgroupReading(
            cpu_seconds=int((self._cpu / "cpuacct.usage").read_text()) / 1e9,
            memory_bytes=_table(self._memory / "memory.stat")["total_rss"],
            peak_bytes=int((self._memory / "memory.max_usage_in_bytes").read_text()),
            oom_kills=_table(self._memory / "memory.oom_control").get("oom_kill", 0),
        )

    def _read_v2(self) -> CgroupReading:
        peak = self._memory / "memory.peak"
        return CgroupReading(
            cpu_seconds=_table(self._cpu / "cpu.stat")["usage_usec"] / 1e6,
            memory_bytes=_table(self._memory / "memory.stat")["anon"],
            peak_bytes=int(peak.read_text()) if peak.exists() else None,
            oom_kills=_table(self._memory / "memory.events").get("oom_kill", 0),
        )


def own_memory_limit() -> int | None:
    """Return the bytes that this process's own control group allows; None without a limit."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    limits = [_limit(*line.split(":", 2)[1:]) for line in lines if line.count(":") >= 2]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit(controllers: str, path: str) -> int | None:
    """Return the least of what the group and those around it allow."""
    if controllers not in ("", "memory"):
        return None
    base, name = (
        (CGROUP_ROOT / "memory", "memory.limit_in_bytes")
        if controllers
        else (CGROUP_ROOT, "memory.max")
    )
    group = base / path.lstrip("/")
    found: list[int] = []
    for folder in [group, *group.parents]:
        if not folder.is_relative_to(base):
            break
        with suppress(OSError, ValueError):  # "max", or a group that is not seen from in here
            found.append(int((folder / name).read_text()))
    return min(found, default=None)


def _table(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in path.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
