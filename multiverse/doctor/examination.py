"""All checks, side by side, each with its own time: a slow or broken one never stops the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from multiverse.doctor.clock import check_clock
from multiverse.doctor.container import check_container
from multiverse.doctor.disk import check_disk
from multiverse.doctor.engine import check_engine
from multiverse.doctor.finding import MachineFinding, Severity, error
from multiverse.doctor.gpu import check_gpu
from multiverse.doctor.images import check_images
from multiverse.doctor.local_engine import check_local_engine
from multiverse.doctor.memory import check_memory
from multiverse.doctor.mounts import check_mounts
from multiverse.doctor.permissions import check_permissions
from multiverse.doctor.scene import Scene
from multiverse.doctor.versions import check_versions

Check = Callable[[Scene], Iterable[MachineFinding]]

#: In the order of the report.
CHECKS: Mapping[str, Check] = {
    "versions": check_versions,
    "engine": check_engine,
    "images": check_images,
    "local": check_local_engine,
    "gpu": check_gpu,
    "memory": check_memory,
    "disk": check_disk,
    "mounts": check_mounts,
    "permissions": check_permissions,
    "container": check_container,
    "clock": check_clock,
}
#: Seconds for each check; all run at the same time.
SECONDS = 60.0


@dataclass
class _Course:
    """One check as it goes on. Its findings are taken as they come."""

    area: str
    findings: list[MachineFinding] = field(default_factory=list)

    def follow(self, check: Check, scene: Scene) -> None:
        try:
            for finding in check(scene):
                self.findings.append(finding)
        except Exception as problem:  # a check that breaks is a finding
            seen = f"the check broke: {type(problem).__name__}: {problem}"
            self.findings.append(error(self.area, seen, "Please report this."))


def examine(
    scene: Scene, checks: Mapping[str, Check] = CHECKS, seconds: float = SECONDS
) -> tuple[MachineFinding, ...]:
    """Return every finding, in the order of the checks.

    A check that is not done in time is reported with what it has found up to then; its thread
    does not keep the process from ending.
    """
    courses = []
    for area, check in checks.items():
        course = _Course(area)
        thread = threading.Thread(target=course.follow, args=(check, scene), daemon=True)
        thread.start()
        courses.append((course, thread))
    deadline = time.monotonic() + seconds
    findings: list[MachineFinding] = []
    for course, thread in courses:
        thread.join(max(0.0, deadline - time.monotonic()))
        findings += course.findings
        if thread.is_alive():
            seen = f"the check was not done within {seconds:g} s"
            remedy = "Look at what hangs: a disk (NFS), the daemon, or the driver."
            findings.append(error(course.area, seen, remedy))
    return tuple(findings)


def is_well(findings: Iterable[MachineFinding]) -> bool:
    """Return whether none of them is an error."""
    return all(finding.status is not Severity.ERROR for finding in findings)
