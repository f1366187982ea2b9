"""The Docker daemon: there, permitted, and able to keep jobs within their limits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from multiverse.doctor.finding import MachineFinding, error, note, ok, warning
from multiverse.doctor.local_engine import local_python
from multiverse.doctor.scene import Scene, is_local
from multiverse.errors import EngineError

AREA = "engine"
#: A limit as ``docker info`` names it → what is not held without it, and whether that is an error.
_LIMITS = {
    "MemoryLimit": ("memory: a job can take all of the machine's", True),
    "SwapLimit": ("swap: a job over its memory swaps instead of being ended", False),
    "CpuCfsQuota": ("CPU: jobs take what they can get", False),
    "PidsLimit": ("processes: a fork bomb is not contained", False),
}
_CGROUP_REMEDY = (
    "Enable the controllers (memory, cpu, pids) for Docker: kernel parameters "
    "cgroup_enable=memory swapaccount=1; rootless: delegate them to the user in systemd."
)


def check_engine(scene: Scene) -> Iterator[MachineFinding]:
    """Check daemon, isolation and limits; no daemon is an error where nothing else is here."""
    try:
        with scene.daemon() as client:
            info, version = client.info(), client.version()
    except EngineError as problem:
        yield _absent(problem)
        return
    yield from judge_daemon(info, version)


def judge_daemon(info: Mapping[str, Any], version: Mapping[str, Any]) -> Iterator[MachineFinding]:
    """Judge the daemon by its own ``info`` and ``version``."""
    yield _of_daemon(info, version)
    yield from _of_limits(info)
    options = [str(option) for option in info.get("SecurityOptions") or []]
    if any("name=rootless" in option for option in options):
        yield note(AREA, "the daemon is rootless: files of containers belong to mapped users")
    if any("name=userns" in option for option in options):
        yield note(AREA, "the daemon maps users (userns-remap); see permissions below")
    if not any("seccomp" in option for option in options):
        yield warning(
            AREA,
            "the daemon filters no system calls (seccomp)",
            "Use a daemon and a kernel with seccomp: models are not to be trusted.",
        )
    if not is_local(info):
        yield note(
            AREA,
            f"the daemon is on another machine or in one of its own: {info.get('Name', '?')}, "
            f"{info.get('OperatingSystem', '?')}",
            "Its memory, disk and clock are not this machine's; folders must be shared with it.",
        )


def _absent(problem: EngineError) -> MachineFinding:
    remedy = problem.remedy or "Start Docker, or run with --engine local."
    chosen = os.environ.get("MULTIVERSE_ENGINE")
    if chosen == "local":
        return note(AREA, f"{problem}; MULTIVERSE_ENGINE is local", "")
    if chosen != "docker" and local_python() is not None:
        return warning(AREA, f"{problem}; jobs run with --engine local, not isolated", remedy)
    return error(AREA, str(problem), remedy)


def _of_daemon(info: Mapping[str, Any], version: Mapping[str, Any]) -> MachineFinding:
    facts = (
        f"docker {version.get('Version', '?')}, storage {info.get('Driver', '?')}, "
        f"cgroup v{info.get('CgroupVersion', '1')} ({info.get('CgroupDriver', '?')})"
    )
    if info.get("OSType", "linux") != "linux":
        return error(AREA, f"{facts}: it runs {info['OSType']} containers", "Switch it to Linux.")
    if info.get("Driver") == "vfs":
        return warning(
            AREA,
            f"{facts}: vfs copies every layer of every container",
            "Use overlay2 (storage-driver in the daemon's configuration).",
        )
    return ok(AREA, facts)


def _of_limits(info: Mapping[str, Any]) -> Iterator[MachineFinding]:
    lacking = [name for name in _LIMITS if not info.get(name)]
    for name in lacking:
        what, is_error = _LIMITS[name]
        seen = f"the daemon can't limit {what}"
        yield error(AREA, seen, _CGROUP_REMEDY) if is_error else warning(AREA, seen, _CGROUP_REMEDY)
    if not lacking:
        yield ok(AREA, "limits on memory, swap, CPU and processes are supported")
