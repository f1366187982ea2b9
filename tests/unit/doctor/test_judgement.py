"""What other machines' daemons say: rootless, of another system, without limits.

The texts are those of ``docker info`` there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from multiverse.doctor.container import judge_probe
from multiverse.doctor.container_probe import Probe
from multiverse.doctor.engine import judge_daemon
from multiverse.doctor.finding import Severity
from multiverse.doctor.scene import Scene

WELL = {
    "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "PidsLimit": True,
    "Driver": "overlay2", "CgroupVersion": "2", "CgroupDriver": "systemd", "OSType": "linux",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "KernelVersion": os.uname().release, "Name": os.uname().nodename,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)


@pytest.mark.parametrize(
    ("said", "expected", "words"),
    [
        ({}, Severity.OK, "cgroup v2 (systemd)"),
        ({"MemoryLimit": False}, Severity.ERROR, "can't limit memory"),
        ({"SwapLimit": False}, Severity.WARNING, "can't limit swap"),
        ({"CpuCfsQuota": False}, Severity.WARNING, "can't limit CPU"),
        ({"PidsLimit": None}, Severity.WARNING, "fork bomb"),
        ({"Driver": "vfs"}, Severity.WARNING, "copies every layer"),
        ({"OSType": "windows"}, Severity.ERROR, "windows containers"),
        ({"SecurityOptions": None}, Severity.WARNING, "seccomp"),
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, Severity.NOTE, "rootless"),
        ({"SecurityOptions": ["name=seccomp", "name=userns"]}, Severity.NOTE, "maps users"),
        ({"Name": "docker-desktop"}, Severity.NOTE, "another machine or in one of its own"),
    ],
)
def test_what_a_daemon_says(said: dict[str, Any], expected: Severity, words: str) -> None:
    found = list(judge_daemon({**WELL, **said}, {"Version": "28.0.0"}))
    (named,) = [item for item in found if words in item.seen]
    assert named.status is expected
    assert expected is Severity.OK or expected is Severity.NOTE or named.remedy
    others = {item.status for item in found if item is not named}
    assert others <= {Severity.OK}, "what is well is not blamed for it"


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({}, Severity.OK, "belongs to you"),
        ({"owner": 100_999}, Severity.ERROR, "user 100999, not to you"),
        ({"owner": None}, Severity.ERROR, "can't write"),
        (
            {"seen": False, "detail": "cat: /probe/asked\x1b: No such file"},
            Severity.ERROR,
            "not see",
        ),
        ({"skew": 7200.0}, Severity.WARNING, "7200.0 s away"),
    ],
)
def test_what_a_container_answers(
    tmp_path: Path, changes: dict[str, Any], expected: Severity, words: str
) -> None:
    answer = {"image": "i", "seen": True, "owner": os.getuid(), "skew": 0.0, **changes}
    found = list(judge_probe(Scene(tmp_path, tmp_path, tmp_path, ()), Probe(**answer)))
    (named,) = [item for item in found if words in item.seen]
    assert named.status is expected
