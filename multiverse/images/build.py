"""Builds the images of models: choice of the base, the shared stacks, then each model."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import multiverse
from multiverse.errors import BuildError, UsageError
from multiverse.events import Noted, Tell
from multiverse.images.base_image import BaseImage, choose_base
from multiverse.images.context import BuildContext, staged, staged_sdk, staged_stack
from multiverse.images.docker_cli import DockerCli, ImageInfo, find_docker
from multiverse.images.offline.pip_settings import PipSettings
from multiverse.images.offline.wheelhouse import served, without_local
from multiverse.images.ownership import (
    check_shared,
    foreign_image,
    is_of_model,
    set_aside,
    whose,
)
from multiverse.images.sdk import MODEL_LABEL, SOURCES_LABEL, sources_hash
from multiverse.images.sources import check_context, read_text, source_files
from multiverse.images.stacks import Stack, stack_for
from multiverse.specs.accelerator import accelerator_of
from multiverse.specs.image_names import full_name
from multiverse.specs.model import ModelSpec

SDK_TAG = f"multiverse-sdk:{multiverse.__version__}"
#: Predefined by Docker: they reach the build and stay out of the image and its history.
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class BuiltImage:
    """A finished image. ``image_id``: ``sha256:…``; ``size_bytes``: with all its layers."""

    tag: str
    image_id: str
    size_bytes: int
    seconds: float


def build_model(
    model: ModelSpec,
    *,
    base: str = "auto",
    no_cache: bool = False,
    tell: Tell,
    verbose: bool = False,
) -> BuiltImage:
    """Build one model's image; see :func:`build_models`."""
    (built,) = build_models([model], base=base, no_cache=no_cache, tell=tell, verbose=verbose)
    return built


def build_models(
    models: Sequence[ModelSpec],
    *,
    base: str = "auto",
    no_cache: bool = False,
    tell: Tell,
    verbose: bool = False,
) -> list[BuiltImage]:
    """Build the images of ``models`` on one base, in order.

    ``base``: see :mod:`multiverse.images.base_image`. ``no_cache``: every layer anew. ``tell``
    hears a note for each step; with ``verbose`` the output of the builds too, which is always
    kept in a log file. Raises :class:`BuildError` for the first image that fails, with its last
    lines, :class:`EngineUnavailable` without a daemon, :class:`UsageError` for a base that won't
    do.
    """
    check_distinct(models)
    for model in models:
        if not os.path.lexists(model.dockerfile):
            raise BuildError(
                f"the model {model.name} has no Dockerfile in {model.folder}",
                remedy="add one; multiverse/models/pca/Dockerfile is an example",
            )
        if accelerator_of(model) == "cuda" and not _has_argument(model, "ACCELERATOR"):
            raise BuildError(
                f"the Dockerfile of {model.name} has no ARG ACCELERATOR, so it makes no CUDA image",
                remedy="add one; multiverse/models/mofa/Dockerfile is an example",
            )
        _check_base(model, base)
        if not model.built_in:
            check_context(model.folder)
            source_files(model.folder)
    with _Builder.opened(no_cache=no_cache, tell=tell, verbose=verbose) as builder:
        if any(_has_argument(model, "BASE_IMAGE") for model in models):
            builder.prepare_base(base)
        if any(_has_argument(model, "SDK_IMAGE") for model in models):
            builder.prepare_sdk()
        return [builder.build_model(model) for model in models]


class _Builder:
    """One use of the Docker client: the options and secrets that all its builds share."""

    def __init__(
        self, docker: DockerCli, shared_options: Sequence[str], *, tell: Tell, verbose: bool
    ) -> None:
        self._docker = docker
        self._shared_options = list(shared_options)
        self._tell = tell
        self._verbose = verbose
        self._base: BaseImage | None = None
        self._stacks: dict[Stack, str] = {}
        self._sdk: str | None = None

    @classmethod
    @contextmanager
    def opened(cls, *, no_cache: bool, tell: Tell, verbose: bool) -> Iterator[_Builder]:
        docker = find_docker()
        settings = PipSettings.of_host()
        if not _is_local_daemon():
            settings = without_local(settings)
        with served(settings) as reachable, tempfile.TemporaryDirectory() as folder:
            options = [*_secret_options(reachable, Path(folder)), "--network", "host"]
            options += [
                part
                for name in _PROXY_VARIABLES
                for spelling in (name, name.lower())
                if spelling in os.environ
                for part in ("--build-arg", spelling)
            ]
            if no_cache:
                options.append("--no-cache")
            yield cls(docker, options, tell=tell, verbose=verbose)

    def prepare_base(self, wanted: str) -> None:
        """Choose what the stacks and the models are built on."""
        self._base = choose_base(self._docker, wanted, self._tell)
        self._tell(Noted(str(self._base)))

    def prepare_sdk(self) -> None:
        """Build the SDK as an image to copy from, for models outside the package."""
        arguments = {"BASE_IMAGE": self._base.reference} if self._base else {}
        check_shared(SDK_TAG, self._docker.image(SDK_TAG))
        with staged_sdk() as context:
            self._sdk = self._build(SDK_TAG, _options(context, arguments)).tag

    def build_model(self, model: ModelSpec) -> BuiltImage:
        offered: dict[str, str] = {"ACCELERATOR": accelerator_of(model)}
        if self._base is not None:
            stack = stack_for(model.requirements)
            offered["BASE_IMAGE"] = (
                self._stack(stack) if self._base.shared else self._base.reference
            )
        if self._sdk is not None:
            offered["SDK_IMAGE"] = self._sdk
        arguments = {name: text for name, text in offered.items() if _has_argument(model, name)}
        _check_owner(model, self._docker.image(model.image_tag))
        with staged(model) as context:
            options = _options(context, arguments, labels(model))
            return self._build(model.image_tag, options)

    def _stack(self, stack: Stack) -> str:
        """Return the tag of a stack, built on its parent unless this builder has built it."""
        if stack not in self._stacks:
            check_shared(stack.tag, self._docker.image(stack.tag))
            base = self._base.reference if self._base else ""
            parent = self._stack(stack.parent) if stack.parent else base
            arguments = {"BASE_IMAGE": parent}
            if stack.parent:
                arguments["STACK"] = stack.path.stem
            with staged_stack(stack) as context:
                built = self._build(stack.tag, _options(context, arguments))
            self._stacks[stack] = built.tag
        return self._stacks[stack]

    def _show(self, line: str) -> None:
        self._tell(Noted(line))

    def _build(self, tag: str, options: Sequence[str]) -> BuiltImage:
        self._tell(Noted(f"Building {tag}"))
        started = time.monotonic()
        self._docker.build(
            [*self._shared_options, "--tag", tag, *options],
            log=log_file(tag),
            show=self._show if self._verbose else None,
        )
        seconds = time.monotonic() - started
        image = self._docker.image(tag)
        if image is None:
            raise BuildError(f"docker build ended well, but the image {tag} is not there")
        return BuiltImage(tag, image.id, image.size, seconds)


def _options(
    context: BuildContext, arguments: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> list[str]:
    given = [("--build-arg", pair) for pair in arguments.items()]
    given += [("--label", pair) for pair in (labels or {}).items()]
    options = [part for option, (name, text) in given for part in (option, f"{name}={text}")]
    return [*options, "--file", str(context.dockerfile), str(context.folder)]


def labels(model: ModelSpec) -> dict[str, str]:
    """Return the OCI annotations of a model's image, its slug, and the hash of its sources.

    https://github.com/opencontainers/image-spec/blob/main/annotations.md
    """
    described = {
        "title": model.yaml.title,
        "description": " ".join(model.yaml.description.split()),
        "version": model.version,
        "licenses": model.yaml.licence,
        "source": project_source(),
    }
    names = {f"org.opencontainers.image.{name}": text for name, text in described.items() if text}
    return {**names, MODEL_LABEL: model.name, SOURCES_LABEL: sources_hash(model)}


def check_distinct(models: Sequence[ModelSpec]) -> None:
    """Raise :class:`UsageError` where two models have the same image: the second would be both."""
    seen: dict[str, ModelSpec] = {}
    for model in models:
        first = seen.setdefault(full_name(model.image_tag), model)
        if first.folder != model.folder:
            raise UsageError(
                f"{first.name} and {model.name} have the same image, {model.image_tag}",
                remedy="Give one of them another `image` in its model.yaml.",
            )


def _check_owner(model: ModelSpec, there: ImageInfo | None) -> None:
    """Raise an error for an image of that tag that was not built from such a model.

    :class:`ForeignImage` where the model is a built-in one, whose name nobody can change;
    otherwise :class:`BuildError`.
    """
    if there is None or is_of_model(there.inspected, model):
        return
    if model.built_in:
        raise foreign_image(model, there.inspected)
    owner = there.labels.get(MODEL_LABEL)
    what = f"the model {owner}" if owner else "something else: multiverse did not build it"
    raise BuildError(
        f"{model.image_tag} is there, and is the image of {what}, {whose(there.inspected)}; "
        f"building {model.name} would replace it",
        remedy=f"Give {model.name} another `image` in its model.yaml; or keep that image under "
        f"another name: {set_aside(model.image_tag, there.inspected)}",
    )


def project_source() -> str:
    """Return the project's source as its package metadata have it; else the project's name."""
    try:
        urls = importlib.metadata.metadata("multiverse").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        urls = []
    for entry in urls:
        name, _, url = str(entry).partition(", ")
        if name.lower() in {"source", "repository"}:
            return url
    return "multiverse"


def log_file(tag: str) -> Path:
    """Return the file that keeps the output of the last build of ``tag``."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", tag)
    return platformdirs.user_log_path("multiverse") / "builds" / f"{name}.log"


def _check_base(model: ModelSpec, base: str) -> None:
    """Raise :class:`UsageError` where the SDK's image can't be made: micromamba has no Python."""
    if "micromamba" in base and _has_argument(model, "SDK_IMAGE"):
        raise UsageError(
            f"{model.name} can't be built on {base}: it wants an SDK_IMAGE, which needs a Python",
            remedy="Build it with --base auto, python or debian.",
        )


def _has_argument(model: ModelSpec, name: str) -> bool:
    text = read_text(model.dockerfile)
    wanted = rf"^[ \t]*ARG[ \t]+{name}\b"
    return re.search(wanted, text, re.MULTILINE | re.IGNORECASE) is not None


def _secret_options(settings: PipSettings, folder: Path) -> list[str]:
    """Return options that show secrets to the steps that ask, and to no layer and no history."""
    conf = folder / "pip.conf"
    conf.touch(mode=0o600)
    conf.write_text(settings.render(), encoding="utf-8")
    files = {"pip_conf": conf}
    if settings.ca_bundle is not None:
        files["ca_bundle"] = settings.ca_bundle
    if settings.client_cert is not None:
        files["client_cert"] = settings.client_cert
    return [part for name, path in files.items() for part in ("--secret", f"id={name},src={path}")]


def _is_local_daemon() -> bool:
    return os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")
