"""The folders that an image asks for (``VOLUME``, ``WORKDIR``): in memory, or refused."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from multiverse.errors import EngineError

TMPFS_SIZE = "1g"
TMPFS_FILES = 100_000
#: Each is a mount of every job; no image has use for more.
MAX_VOLUMES = 32
#: What is mounted there is needed, also by the sandbox itself: nothing may stand in its place, or
#: within it. A folder that is mounted within the output would be made by Docker, as root.
_TAKEN = ("/proc", "/sys", "/dev", "/input", "/output")
#: These have something of ours at the very place, or may have: a folder in memory.
_FREE = ("/dev/shm", "/input", "/output")  # noqa: S108


def check_folders(image: str, volumes: Iterable[str], working_folder: str) -> None:
    """Check the folders that an image declares, before anything of it is started.

    Raises :class:`EngineError` where one would be on the host's disk, or hide what the sandbox or
    the contract has there.
    """
    wanted = list(volumes)
    if len(wanted) > MAX_VOLUMES:
        _refuse(image, f"declares {len(wanted):,} volumes, more than {MAX_VOLUMES}")
    for volume in wanted:
        folder = _folder(volume)
        if folder is None:
            _refuse(image, f"declares the volume {volume!r:.100}, which is no absolute path")
        elif folder == "/" or (folder not in _FREE and _is_within(folder, _TAKEN)):
            _refuse(image, f"declares the volume {volume!r:.100}, which is not to be had")
    working = _folder(working_folder) or "/"
    if working != "/output" and _is_within(working, ("/output",)):
        _refuse(image, f"has its working folder in the output ({working_folder!r:.100})")


def memory_folders(volumes: Iterable[str]) -> dict[str, str]:
    """Return the folders besides /output: /tmp and the image's volumes, all in memory.

    A volume would otherwise be a folder on the host's disk that no limit knows of; what the image
    keeps in it is hidden. Inodes are bounded too: not every kernel charges its memory for them
    to the container. What is in /input is mounted within, and nothing else can be put there.
    """
    options = f"rw,nosuid,nodev,mode=1777,size={TMPFS_SIZE},nr_inodes={TMPFS_FILES}"
    folders = {folder for volume in volumes if (folder := _folder(volume)) is not None}
    memory = dict.fromkeys(["/tmp", *sorted(folders - {"/tmp", "/output"})], options)  # noqa: S108
    if "/input" in memory:
        memory["/input"] = options.replace("rw,", "ro,", 1)
    return memory


def check_mounts(container: Mapping[str, Any]) -> None:
    """Check that nothing of an inspected container is on a volume, whatever its image asked for.

    Raises :class:`EngineError`.
    """
    found = [mount for mount in container.get("Mounts") or () if mount.get("Type") == "volume"]
    if found:
        places = ", ".join(sorted(f"{mount.get('Destination')!r:.100}" for mount in found))
        raise EngineError(
            f"the daemon would give it volumes on its own disk, which nothing limits: {places}",
            remedy="Remove VOLUME from its Dockerfile, and build it again.",
        )


def check_links(container: Mapping[str, Any], target: Callable[[str], str | None]) -> None:
    """Check that no link of an image leads its folders into what the sandbox has.

    The daemon makes a folder that is not there as root, in the output on the host's disk: who
    runs jobs as another user could never remove it. ``target`` gives where a link leads, None of
    what is no link; it is asked of a container that has not begun. Raises :class:`EngineError`.
    """
    image = str(container.get("Config", {}).get("Image", ""))[:100]
    volumes = container.get("HostConfig", {}).get("Tmpfs") or {}
    for volume in sorted(volumes):
        led = _followed(volume, target)
        if led != volume:
            check_folders(image, [led], "/")
    check_folders(image, (), _followed(container["Config"].get("WorkingDir") or "/", target))


def _followed(path: str, target: Callable[[str], str | None]) -> str:
    """Return a folder with the links on its way followed, as a container sees it."""
    reached = "/"
    for name in (_folder(path) or "/").split("/")[1:]:
        step = posixpath.join(reached, name)
        reached = step if not name or step in _TAKEN else target(step) or step
    return reached


def _folder(path: str) -> str | None:
    """Return a path as the daemon understands it, or None for one that is relative to nothing."""
    return posixpath.normpath(f"/{path.lstrip('/')}") if path.startswith("/") else None


def _is_within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _refuse(image: str, reason: str) -> None:
    raise EngineError(
        f"the image {image} {reason}",
        remedy="Change VOLUME and WORKDIR in its Dockerfile: a job may write to /output, /tmp and "
        "volumes elsewhere, which are memory.",
    )
