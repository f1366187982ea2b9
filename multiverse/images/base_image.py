"""Chooses the image that the models' images are built on.

``auto`` takes the first that this machine can have: the official Python image, here or from its
registry; otherwise one made from Debian packages. ``micromamba`` (conda environments) only when
asked for; anything that looks like an image reference is taken as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import platformdirs

from multiverse.contract.folders import resolved
from multiverse.errors import BuildError, UsageError
from multiverse.events import Noted, Tell
from multiverse.exclusive import exclusive
from multiverse.images.docker_cli import DockerCli
from multiverse.images.offline import debian
from multiverse.images.ownership import check_shared

PYTHON = "python:3.11-slim-bookworm"
MICROMAMBA = "mambaorg/micromamba:2-debian12-slim"
CHOICES = ("auto", "python", "debian", "micromamba")
#: A repository with a tag, a digest or a path, so that a misspelt word is not looked for.
_REFERENCE = re.compile(r"(?=.*[:/])[A-Za-z0-9][A-Za-z0-9._:/@-]*")

#: Longest wait for a registry; a daemon that reaches none says so within seconds.
_PULL_SECONDS = 180


@dataclass(frozen=True)
class BaseImage:
    """The chosen base. ``shared``: whether the shared stack is put on it as its own image."""

    reference: str
    shared: bool
    reason: str

    def __str__(self) -> str:
        return f"Base image: {self.reference} ({self.reason})"


def choose_base(docker: DockerCli, wanted: str, tell: Tell) -> BaseImage:
    """Return the base for ``--base wanted``; it is on the daemon afterwards.

    Raises :class:`UsageError` for an unknown word, :class:`BuildError` when it can't be had.
    """
    if wanted == "auto":
        return _auto(docker, tell)
    if wanted == "debian":
        return _debian(docker, tell, "asked for")
    if wanted == "python":
        return _named(docker, PYTHON, shared=True)
    if wanted == "micromamba":
        return _named(docker, MICROMAMBA, shared=False)
    if _REFERENCE.fullmatch(wanted):
        return _named(docker, wanted, shared="micromamba" not in wanted)
    raise UsageError(
        f"unknown base image {wanted!r}",
        remedy=f"use one of {', '.join(CHOICES)}, or an image reference such as {PYTHON}",
    )


def _auto(docker: DockerCli, tell: Tell) -> BaseImage:
    if docker.image(PYTHON) is not None:
        return BaseImage(PYTHON, shared=True, reason="on this machine")
    there = docker.image(debian.IMAGE)
    if there is not None:
        check_shared(debian.IMAGE, there)
        return BaseImage(debian.IMAGE, shared=True, reason="made here before")
    failure = docker.pull(PYTHON, seconds=_PULL_SECONDS)
    if failure is None:
        return BaseImage(PYTHON, shared=True, reason="pulled")
    if lacking := debian.why_impossible():
        raise BuildError(
            f"no base image: {PYTHON} can't be pulled ({failure}), and none can be made from "
            f"Debian packages ({lacking})",
            remedy="connect to a registry, name another image with --base, "
            "or as root: apt-get install debootstrap",
        )
    return _debian(docker, tell, f"{PYTHON} can't be pulled")


def _debian(docker: DockerCli, tell: Tell, reason: str) -> BaseImage:
    place = resolved(platformdirs.user_cache_path("multiverse", ensure_exists=True))
    # Two builds at once must not make two: every image on top would be made anew for the second.
    words = "another process makes the Debian base: waiting for it"
    with exclusive(place / "debian.lock", waiting=lambda: tell(Noted(words))):
        there = docker.image(debian.IMAGE)
        check_shared(debian.IMAGE, there)
        if there is None:
            debian.make_image(docker, tell)
    return BaseImage(debian.IMAGE, shared=True, reason=reason)


def _named(docker: DockerCli, reference: str, *, shared: bool) -> BaseImage:
    if docker.image(reference) is None:
        failure = docker.pull(reference, seconds=_PULL_SECONDS)
        if failure is not None:
            raise BuildError(
                f"the base image {reference} is not on this machine and can't be pulled: {failure}",
                remedy="pull or load it first, or use --base auto",
            )
    return BaseImage(reference, shared=shared, reason="asked for")
