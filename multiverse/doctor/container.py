"""Checks what a container sees of this machine: the results folder, the user, the time."""

from __future__ import annotations

import os
from collections.abc import Iterator

from multiverse.doctor.clock import MAX_SKEW, clock_remedy
from multiverse.doctor.container_probe import NoProbe, Probe, probe
from multiverse.doctor.finding import MachineFinding, error, note, ok, warning
from multiverse.doctor.scene import Scene

AREA = "container"


def check_container(scene: Scene) -> Iterator[MachineFinding]:
    """Try one tiny container with a new folder below the results; needs an image here."""
    try:
        found = probe(scene)
    except NoProbe as problem:
        yield note(AREA, f"not tried: {problem}", "With an image: multiverse build pca")
        return
    yield from judge_probe(scene, found)


def judge_probe(scene: Scene, found: Probe) -> Iterator[MachineFinding]:
    """Judge mounts, users and clocks by the container's answer."""
    yield _of_mount(scene, found)
    if found.seen:
        yield _of_owner(found)
    if found.skew > MAX_SKEW:
        seen = f"a container's clock is {found.skew:.1f} s away from this machine's"
        yield warning(AREA, seen, clock_remedy)


def _of_mount(scene: Scene, found: Probe) -> MachineFinding:
    if found.seen:
        return ok(AREA, "a container sees the results folder")
    return error(
        AREA,
        f"a container does not see {scene.results}: {found.detail.strip() or 'no output'}",
        "Share that folder with Docker's machine, or choose one that is shared with --output.",
    )


def _of_owner(found: Probe) -> MachineFinding:
    user = os.getuid()
    if found.owner == user:
        return ok(AREA, f"what a container writes belongs to you (user {user})")
    if found.owner is None:
        return error(
            AREA,
            f"a container can't write to the results folder as user {user}",
            "The daemon maps users, or root may not write there (NFS with root_squash): use a "
            "folder on a local disk, or a daemon that does not map users.",
        )
    return error(
        AREA,
        f"what a container writes belongs to user {found.owner}, not to you ({user})",
        "A rootless daemon or one with userns-remap maps users: use one that does not, or "
        "run with --engine local.",
    )
