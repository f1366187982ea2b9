"""Checks the kinds of file systems that the folders are on, and what they lack."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene, nearest

AREA = "mounts"
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs",
     "9p", "virtiofs", "afs", "orangefs", "panfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs",
     "fuse.rclone", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.grpcfuse"}
)  # fmt: skip


@dataclass(frozen=True)
class Mount:
    """A mounted file system: its place, type and options."""

    place: Path
    kind: str
    options: frozenset[str]


def mount_of(path: Path) -> Mount | None:
    """Return the mount that a folder is on; None where the system does not tell."""
    resolved = nearest(path).resolve()
    found = None
    for part in psutil.disk_partitions(all=True):
        place = Path(part.mountpoint)
        if resolved.is_relative_to(place):
            longer = found is None or len(place.parts) >= len(found.place.parts)
            if longer:  # of two at one place, the later hides the earlier
                found = Mount(place, part.fstype, frozenset(part.opts.split(",")))
    return found


def check_mounts(scene: Scene) -> Iterator[MachineFinding]:
    """Report network file systems by name, and places where nothing can be executed."""
    kinds = []
    for name, path in scene.folders.items():
        mount = mount_of(path)
        if mount is None:
            continue
        kinds.append(f"{name} on {mount.kind}")
        if mount.kind in NETWORK:
            yield note(
                AREA,
                f"{name}: {path} is on a network file system ({mount.kind} at {mount.place})",
                "Locks must work there for two machines; runs are faster on a local disk.",
            )
    if kinds:
        yield ok(AREA, ", ".join(kinds))
    for name, path in {"cache": scene.cache, "tmp": Path(tempfile.gettempdir())}.items():
        mount = mount_of(path)
        if mount is not None and "noexec" in mount.options:
            variable = "MULTIVERSE_CACHE" if name == "cache" else "TMPDIR"
            yield warning(
                AREA,
                f"{name}: nothing on {mount.place} can be executed (noexec)",
                f"For --engine local, name another folder with {variable}.",
            )
