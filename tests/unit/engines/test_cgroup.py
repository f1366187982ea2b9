"""Which control group is a container's, on both versions."""

from __future__ import annotations

import pytest

from multiverse.engines.cgroup import ControlGroup

ID = "4f" * 32
V1 = [f"5:memory:/docker/{ID}", f"3:cpu,cpuacct:/docker/{ID}", f"1:name=systemd:/docker/{ID}"]
V2 = [f"0::/system.slice/docker-{ID}.scope"]


@pytest.mark.parametrize(
    ("lines", "folder"),
    [
        (V1, f"/sys/fs/cgroup/memory/docker/{ID}"),
        ([*V1, "0::/"], f"/sys/fs/cgroup/memory/docker/{ID}"),
        (V2, f"/sys/fs/cgroup/system.slice/docker-{ID}.scope"),
    ],
)
def test_the_container_is_found(lines: list[str], folder: str) -> None:
    group = ControlGroup.from_lines(lines, ID)
    assert group is not None
    assert str(group.folder) == folder


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["5:memory:/", "0::/"],
        ["5:memory:/", f"0::/docker/{ID}"],  # it has just ended: the root is not its group
        ["5:memory:/docker/another"],
        ["0::/user.slice/session.scope"],
    ],
)
def test_another_group_is_never_taken_for_it(lines: list[str]) -> None:
    assert ControlGroup.from_lines(lines, ID) is None


def test_a_process_that_is_gone() -> None:
    assert ControlGroup.of(2**22 + 1, ID) is None
