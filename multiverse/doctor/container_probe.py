"""One tiny container that tells what a job would see: the mount, the user, the time.

It uses an image that is here already and is given nothing but a new folder below the results.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.doctor.clock import outside
from multiverse.doctor.scene import Scene, nearest
from multiverse.errors import EngineError
from multiverse.images.ownership import is_of_model
from multiverse.images.sdk import SOURCES_LABEL

LABEL = "multiverse"
#: Not that of jobs: nothing that looks for jobs comes upon the probe.
LABELS = {LABEL: "doctor"}
_SECONDS = 20
_MEMORY = 64 * 1024**2
_SCRIPT = "cat /probe/asked; echo; date +%s.%N; echo answer > /probe/answer"
#: How a daemon refuses to mount what it does not see.
_NOT_SEEN = "bind source path does not exist"
#: A probe that is older than this (seconds) belongs to a doctor that was killed.
_OLD = 600


@dataclass(frozen=True)
class Probe:
    """``seen``: the file of this machine was there. Times are seconds since 1970.

    ``owner`` is the user of the file that the container wrote, None where none arrived here;
    ``skew`` how far the container's clock is outside the time that the probe took.
    """

    image: str
    seen: bool
    owner: int | None
    skew: float
    detail: str = ""


class NoProbe(Exception):
    """No container could be started; says why."""


def probe(scene: Scene) -> Probe:
    """Start it, wait, remove it. Raises :class:`NoProbe`."""
    try:
        with scene.daemon() as client, _folder(nearest(scene.results)) as folder:
            _sweep(client)
            image = _image(client, scene)
            return _run(client, image, folder)
    except (EngineError, OSError) as problem:
        raise NoProbe(str(problem)) from problem


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".multiverse-doctor-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(client: Any, image: str, folder: Path) -> Probe:
    from docker.errors import APIError

    asked = uuid.uuid4().hex
    (folder / "asked").write_text(asked)
    try:
        container = client.create_container(**_options(client, image, folder))["Id"]
    except APIError as problem:
        if _NOT_SEEN not in str(problem.explanation):
            raise
        return Probe(image, seen=False, owner=None, skew=0.0, detail=str(problem.explanation))
    try:
        before = time.time()
        client.start(container)
        client.wait(container, timeout=_SECONDS)
        after = time.time()
        output = client.logs(container).decode(errors="replace")
    finally:
        client.remove_container(container, force=True)
    lines = output.splitlines()
    answer, moment = folder / "answer", _time(lines)
    return Probe(
        image=image,
        seen=lines[:1] == [asked],
        owner=answer.stat().st_uid if answer.is_file() else None,
        skew=0.0 if moment is None else outside(moment, before, after),
        detail=output[:200],
    )


def _options(client: Any, image: str, folder: Path) -> dict[str, Any]:
    from docker.types import Mount

    host = client.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit=_MEMORY,
        pids_limit=16,
        mounts=[Mount("/probe", str(folder.resolve()), type="bind")],
    )
    return {
        "image": image,
        "entrypoint": ["/bin/sh", "-c"],
        "command": [_SCRIPT],
        "user": f"{os.getuid()}:{os.getgid()}",
        "labels": LABELS,
        "host_config": host,
    }


def _image(client: Any, scene: Scene) -> str:
    """Return an image that is here and has a shell, as every built-in model's has."""
    from docker.errors import ImageNotFound

    for model in scene.models:
        with suppress(ImageNotFound):
            image = client.inspect_image(model.image_tag)
            if is_of_model(image, model):
                return str(image["Id"])
    labelled = client.images(filters={"label": SOURCES_LABEL})
    if not labelled:
        raise NoProbe("no image of a model is here")
    return str(min(labelled, key=lambda image: int(image["Size"]))["Id"])


def _sweep(client: Any) -> None:
    """Remove probes of doctors that were killed."""
    filters = {"label": [f"{name}={value}" for name, value in LABELS.items()]}
    found: list[Mapping[str, Any]] = client.containers(all=True, filters=filters)
    for container in found:
        if time.time() - float(container["Created"]) > _OLD:
            client.remove_container(container["Id"], force=True)


def _time(lines: list[str]) -> float | None:
    try:
        return float(lines[1])
    except (IndexError, ValueError):
        return None
