"""The images of the models: here, and made from the sources of today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multiverse.doctor.finding import MachineFinding, note, ok, warning
from multiverse.doctor.scene import Scene
from multiverse.engines.docker import is_outdated
from multiverse.errors import BuildError, EngineError, ForeignImage
from multiverse.images.docker_cli import find_docker
from multiverse.images.ownership import foreign_image, is_of_model

AREA = "images"


def check_images(scene: Scene) -> Iterator[MachineFinding]:
    """Report which models' images are present, outdated or absent, and whether one can be built."""
    from docker.errors import ImageNotFound

    present, outdated, absent = list[str](), list[str](), list[str]()
    foreign = list[ForeignImage]()
    try:
        with scene.daemon() as client:
            for model in scene.models:
                try:
                    image = client.inspect_image(model.image_tag)
                except ImageNotFound:
                    absent.append(model.name)
                    continue
                if model.built_in and not is_of_model(image, model):
                    foreign.append(foreign_image(model, image))
                    continue
                (outdated if is_outdated(image, model) else present).append(model.name)
    except EngineError as problem:
        yield note(AREA, f"not looked at: {problem}")
        return
    if present:
        yield ok(AREA, f"present: {', '.join(present)}")
    for error in foreign:
        yield warning(AREA, str(error), error.remedy or "Give it another name.")
    yield from _to_build("their sources have changed since they were built", outdated)
    yield from _to_build("not here", absent)
    try:
        yield ok(AREA, f"{find_docker().path} can build")
    except BuildError as problem:
        yield warning(AREA, str(problem), problem.remedy or "Install Docker's plugin buildx.")


def _to_build(what: str, models: Sequence[str]) -> Iterator[MachineFinding]:
    if models:
        remedy = f"A run builds them, or: multiverse build {' '.join(models)}"
        yield note(AREA, f"{what}: {', '.join(models)}", remedy)
