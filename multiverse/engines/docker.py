"""Jobs in containers of this machine's Docker daemon, by the Docker SDK for Python."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.contract.job_spec import ImageReference
from multiverse.contract.paths import DATA_FILE
from multiverse.engines.docker_container import DockerContainer
from multiverse.engines.docker_volumes import check_folders, memory_folders
from multiverse.engines.gpus import nvidia_gpus
from multiverse.engines.patience import Answer, Patience
from multiverse.engines.protocol import Capacity, Echo, Execution, Orphan, Running, Runtime
from multiverse.errors import EngineError, EngineUnavailable, ImageMissing
from multiverse.events import Noted, Tell
from multiverse.facts import EngineFacts
from multiverse.images.daemon import connect
from multiverse.images.ownership import foreign_image, is_of_model
from multiverse.images.sdk import SOURCES_LABEL, sources_hash
from multiverse.specs.accelerator import accelerator_of
from multiverse.specs.model import ModelSpec

ISOLATION = (
    "container: no network, read-only root, caller's uid, no capabilities, no new privileges, "
    "memory, CPU and process limits"
)
#: Seconds to wait for one answer of the daemon (starting a container on a loaded machine is slow).
DAEMON_TIMEOUT = 120
LABEL = "multiverse"
SHM_BYTES = 1024**3
PIDS_LIMIT = 512
#: Files that one process may have open: four times what a shell gives. Some daemons give a
#: thousand million, and a program that closes them all one by one then hangs. Not more, because a
#: daemon without privileges of its own refuses what is beyond its own limit.
OPEN_FILES = 4096
#: Of -1000 to 1000, where 0 is what the runner and the user's other programs have.
OOM_SCORE = 500


@dataclass(frozen=True)
class DockerImage:
    """An image by its id, and the folders that it declares as volumes (``VOLUME``)."""

    id: str
    volumes: tuple[str, ...] = ()

    @classmethod
    def of(cls, inspected: Mapping[str, Any], name: str) -> DockerImage:
        """Return an image as the daemon describes it.

        Raises :class:`EngineError` for one that asks for what no job is given.
        """
        settings = inspected["Config"]
        volumes = tuple(settings.get("Volumes") or ())
        check_folders(name, volumes, settings.get("WorkingDir") or "/")
        return cls(inspected["Id"], volumes)


class DockerEngine:
    """The engine ``docker``."""

    name = "docker"

    def __init__(self) -> None:
        #: Clients that nobody uses at the moment, with the connections they keep.
        self._idle: deque[Any] = deque()
        self._patience = Patience()
        self._facts: EngineFacts | None = None
        self._api_version = "auto"

    def heed(self, cancelled: threading.Event) -> None:
        """Be short with the daemon once this event is set."""
        self._patience.heed(cancelled)

    def facts(self) -> EngineFacts:
        if self._facts is None:
            version = self._ask(lambda client: client.version())
            self._facts = EngineFacts(
                name=self.name, version=str(version.get("Version", "")), isolation=ISOLATION
            )
        return self._facts

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        """Return the model's image by its tag, built first if ``build`` and absent or outdated.

        Outdated is an image that was built on this machine from sources that have changed
        since; one that came from a registry is taken as it is. Raises :class:`ForeignImage` for
        one that has a built-in model's name without its label.
        """
        image = self._find(model)
        if image is not None and model.built_in and not is_of_model(image, model):
            raise foreign_image(model, image)
        if image is None and not (build and model.dockerfile.is_file()):
            raise ImageMissing(
                f"the image {model.image_tag} of {model.name} is not on this machine",
                remedy=f"Build it: {_build_command(model)}"
                if model.dockerfile.is_file()
                else f"Load or pull it: docker pull {model.image_tag}",
            )
        outdated = image is not None and is_outdated(image, model)
        if build and (image is None or outdated):
            image, outdated = self._build(model, tell), False
        elif outdated:
            tell(Noted(f"the image {model.image_tag} is older than its sources"))
        if image is None:
            raise ImageMissing(f"the image {model.image_tag} was built, but can't be found")
        reference = ImageReference(tag=model.image_tag, digest=_digest(image))
        handle = DockerImage.of(image, model.image_tag)
        return Runtime(model=model, image=reference, handle=handle, outdated=outdated)

    def check_device(self, device: str) -> None:
        if device == "cpu":
            return
        info = self._ask(lambda client: client.info())
        if "nvidia" not in info.get("Runtimes", {}) and not info.get("DiscoveredDevices"):
            raise EngineError(
                f"device {device} was asked for, but this Docker daemon offers no GPU",
                remedy="Install the NVIDIA container toolkit, or run with --device cpu.",
            )

    def device_inside(self, device: str) -> str:
        """Return ``cpu`` or ``cuda``: a container is given one GPU, which is the first there."""
        return "cpu" if device == "cpu" else "cuda"

    def capacity(self) -> Capacity:
        """Return what the daemon's machine has; its GPUs are known if it is this one."""
        info = self._ask(lambda client: client.info())
        here = os.environ.get("DOCKER_HOST", "unix:").startswith(("unix:", "npipe:"))
        gpus = nvidia_gpus() if here else ()
        return Capacity(float(info["NCPU"]), int(info["MemTotal"]), gpus)

    def start(self, execution: Execution) -> Running:
        options = container_options(execution)
        with daemon_errors():
            return DockerContainer.start(
                self._patience.ask(self._client),
                options,
                execution,
                self._idle.append,
                patience=self._patience,
            )

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        found = self._ask(lambda client: _labelled(client, labels))
        return [
            Orphan(
                labels=container.get("Labels") or {},
                running=container["State"] in ("running", "paused", "restarting"),
                adoptable=container["State"] not in ("created", "removing", "dead"),
                handle=container["Id"],
            )
            for container in found
        ]

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:
        with daemon_errors():
            return DockerContainer.adopt(
                self._patience.ask(self._client),
                orphan.handle,
                log,
                echo,
                self._idle.append,
                patience=self._patience,
            )

    def sweep(self, labels: Mapping[str, str]) -> int:
        return self._ask(lambda client: _remove_all(client, labels))

    def _build(self, model: ModelSpec, tell: Tell) -> dict[str, Any] | None:
        from multiverse.images.build import build_model

        words = "it is not here, or its sources have changed"
        tell(Noted(f"building the image {model.image_tag}: {words}"))
        build_model(model, tell=tell)
        return self._find(model)

    def _find(self, model: ModelSpec) -> dict[str, Any] | None:
        from docker.errors import ImageNotFound

        def inspect(client: Any) -> dict[str, Any] | None:
            try:
                image: dict[str, Any] = client.inspect_image(model.image_tag)
            except ImageNotFound:
                return None
            return image

        return self._ask(inspect)

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the daemon's answer to a question that is put through a client of its own.

        What goes wrong is raised as :func:`daemon_errors` says it.
        """

        def asked() -> Answer:
            client = self._client()
            try:
                return question(client)
            finally:
                self._idle.append(client)

        with daemon_errors():
            return self._patience.ask(asked)

    def _client(self) -> Any:
        """Take a client that is idle, or make one; a job has it until its container is gone.

        No two jobs share one, because requests' sessions are not made for it; the next job has
        its open connections.
        """
        with suppress(IndexError):  # a deque is safe between threads; asking it first is not
            return self._idle.pop()
        with daemon_errors():
            client = connect(DAEMON_TIMEOUT, self._api_version)
        self._api_version = client.api_version
        return client


def container_options(execution: Execution) -> dict[str, Any]:
    """Return the options of a container; the whole sandbox is in this one place.

    What is not here is left at the daemon's default on purpose: its seccomp filter (no ``mount``,
    ``unshare``, ``bpf``, kernel modules, …), its AppArmor or SELinux profile, its masked and
    read-only paths of /proc and /sys, no devices of the host, process numbers of the container's
    own. Nothing here needs more rights than a rootless daemon has: limits are only lowered.
    """
    from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

    image: DockerImage = execution.runtime.handle
    devices = []
    if execution.device != "cpu":
        _, _, number = execution.device.partition(":")
        ids = {"device_ids": [number]} if number else {"count": 1}
        devices = [DeviceRequest(capabilities=[["gpu"]], **ids)]
    mounts = [
        Mount("/output", str(execution.output), type="bind", read_only=False),
        # Otherwise the host's own, with its name servers and search domains.
        Mount("/etc/resolv.conf", "/dev/null", type="bind", read_only=True),
    ]
    if execution.data.is_file():
        mounts.append(
            Mount(f"/input/{DATA_FILE}", str(execution.data), type="bind", read_only=True)
        )
    mounts += [
        Mount(f"/input/{name}", str(path), type="bind", read_only=True)
        for name, path in execution.more_inputs.items()
    ]
    limits = {
        "fsize": execution.max_file_bytes,  # a runaway or sparse file ends here, with EFBIG
        "core": 0,  # a crash leaves no image of its memory in /output
        "nofile": OPEN_FILES,
    }
    return {
        "image": image.id,
        "user": f"{os.getuid()}:{os.getgid()}",
        # The same for every job: neither the container's id nor anything of the host to learn.
        "hostname": "multiverse",
        "labels": {LABEL: "job", **execution.labels},
        "environment": {
            "HOME": "/tmp",  # noqa: S108
            "TMPDIR": "/tmp",  # noqa: S108
            **execution.environment,
            **_gpu_variables(execution.device),
        },
        "healthcheck": {"test": ["NONE"]},  # an image may ask for a thousand a second
        # The client's settings may hold a proxy with a password; without a network it is no use.
        "use_config_proxy": False,
        "host_config": {
            "network_mode": "none",  # also hides the host's abstract unix sockets
            "ipc_mode": "private",  # a daemon's default may be to share /dev/shm and semaphores
            "read_only": True,
            "init": True,  # passes TERM on: a first process without a handler never sees it
            "tmpfs": memory_folders(image.volumes),
            "shm_size": SHM_BYTES,  # data loaders of PyTorch need more than the 64 MiB of default
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],  # setuid programs of the image are no use
            # Pages of /tmp and /dev/shm count as memory of the container, and there is no swap:
            # the limit holds whatever way memory is filled.
            "mem_limit": execution.memory,
            "memswap_limit": execution.memory,
            "oom_score_adj": OOM_SCORE,  # the host is short of memory: a model ends, not the runner
            "nano_cpus": round(execution.cpus * 1e9),
            "pids_limit": PIDS_LIMIT,
            "ulimits": [
                Ulimit(name=name, soft=limit, hard=limit) for name, limit in limits.items()
            ],
            "mounts": mounts,
            "device_requests": devices,
            "log_config": LogConfig(type="json-file", config={"max-size": "16m", "max-file": "2"}),
        },
    }


def _gpu_variables(device: str) -> dict[str, str]:
    """Return what NVIDIA's runtime is to give: it takes an image's word where nobody says it.

    A daemon may have that runtime as its default. Images made from NVIDIA's own ask for all GPUs,
    and one may ask for devices of the network.
    """
    visible = "void" if device == "cpu" else device.partition(":")[2] or "0"
    others = ("GDS", "MOFED", "GDRCOPY", "NVSWITCH")
    return {
        "NVIDIA_VISIBLE_DEVICES": visible,
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        **{f"NVIDIA_{name}": "disabled" for name in others},
        **{f"NVIDIA_{name}": "" for name in ("IMEX_CHANNELS", "MIG_CONFIG_DEVICES")},
        "NVIDIA_MIG_MONITOR_DEVICES": "",
    }


def _build_command(model: ModelSpec) -> str:
    cuda = " --accelerator cuda" if accelerator_of(model) == "cuda" else ""
    return f"multiverse build {model.name}{cuda}"


def is_outdated(image: Mapping[str, Any], model: ModelSpec) -> bool:
    """Return whether an inspected image was built here from sources that have changed since."""
    built_from = (image["Config"].get("Labels") or {}).get(SOURCES_LABEL)
    return built_from is not None and built_from != sources_hash(model)


def _digest(image: Mapping[str, Any]) -> str:
    """Return the registry's digest where the image came from one, otherwise the image's id."""
    for reference in image.get("RepoDigests") or []:
        _, _, digest = reference.rpartition("@")
        if digest:
            return str(digest)
    return str(image["Id"])


def _labelled(client: Any, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = [LABEL, *(f"{key}={value}" for key, value in labels.items())]
    found: list[dict[str, Any]] = client.containers(all=True, filters={"label": wanted})
    return [container for container in found if _is_ours(container)]


def _is_ours(container: Mapping[str, Any]) -> bool:
    """Return whether a listed container writes into the folder that its labels name.

    A container has the labels of its image too, whoever started it; an image mounts nothing.
    """
    results = (container.get("Labels") or {}).get("multiverse.results")
    if results is None:
        return True
    outputs = [
        Path(os.path.realpath(mount.get("Source", "")))
        for mount in container.get("Mounts") or ()
        if mount.get("Type") == "bind" and mount.get("Destination") == "/output"
    ]
    return any(output.is_relative_to(os.path.realpath(results)) for output in outputs)


def _remove_all(client: Any, labels: Mapping[str, str]) -> int:
    found = _labelled(client, labels)
    for container in found:
        _remove(client, container["Id"])
    return len(found)


def _remove(client: Any, container_id: str) -> None:
    from docker.errors import APIError, NotFound

    try:
        client.remove_container(container_id, force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # its removal is already in progress
            raise


@contextmanager
def daemon_errors() -> Iterator[None]:
    """Turn what the SDK raises into errors a user can act on."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise EngineError(f"the Docker daemon refused: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        if "ermission denied" in str(error):
            raise EngineUnavailable(
                "the Docker daemon is there, but you may not use it",
                remedy="Ask to be added to the group docker, or run with --engine local.",
            ) from error
        raise EngineUnavailable(
            "no Docker daemon answers",
            remedy="Start Docker (or set DOCKER_HOST), or run with --engine local.",
        ) from error
