"""An engine with a changed sandbox: another user, another HOME, or with a restriction lifted.

Only what a check needs beyond the runner's own sandbox; everything else is the engine's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiverse.engines.docker import DockerEngine, container_options, daemon_errors
from multiverse.engines.docker_container import DockerContainer
from multiverse.engines.protocol import (
    Capacity,
    Echo,
    Engine,
    Execution,
    Orphan,
    Running,
    Runtime,
    heed,
)
from multiverse.events import Tell
from multiverse.facts import EngineFacts
from multiverse.specs.model import ModelSpec

#: A user id that no image and no machine knows.
STRANGER = 54_321
NO_HOME = "/nonexistent"


@dataclass(frozen=True)
class SandboxChange:
    """Differences from the runner's own sandbox.

    ``user`` runs the container as another user; ``network`` and ``writable_root`` lift a
    restriction, to find out whether a failure comes from it. These three need Docker.
    """

    no_home: bool = False
    user: int | None = None
    network: bool = False
    writable_root: bool = False

    @property
    def need_docker(self) -> bool:
        return self.user is not None or self.network or self.writable_root


class ChangedEngine:
    """An :class:`~multiverse.engines.protocol.Engine` that starts jobs in a changed sandbox.

    ``started`` is given each job that was started, and returns what the runner is to watch.
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: SandboxChange,
        started: Callable[[Running], Running] = lambda running: running,
    ) -> None:
        if sandbox.need_docker and not isinstance(engine, DockerEngine):
            raise ValueError("such a change of the sandbox exists in containers only")
        self._engine = engine
        self._sandbox = sandbox
        self._started = started
        self.name = engine.name

    def start(self, execution: Execution) -> Running:
        return self._started(self._start(execution))

    def _start(self, execution: Execution) -> Running:
        if self._sandbox.no_home:
            variables = {**execution.environment, "HOME": NO_HOME}
            execution = replace(execution, environment=variables)
        if not self._sandbox.need_docker:
            return self._engine.start(execution)
        options = container_options(execution)
        self._change(options, execution)
        with daemon_errors():
            return DockerContainer.start(_client(), options, execution)

    def _change(self, options: dict[str, Any], execution: Execution) -> None:
        changes = self._sandbox
        if changes.user is not None:
            options["user"] = f"{changes.user}:{changes.user}"
            if os.geteuid() == 0:  # the folder then is the stranger's, as the caller's usually is
                for path in (execution.output, *execution.output.iterdir()):
                    os.chown(path, changes.user, changes.user)
        if changes.network:
            options["host_config"]["network_mode"] = "bridge"
        if changes.writable_root:
            options["host_config"]["read_only"] = False

    def facts(self) -> EngineFacts:
        return self._engine.facts()

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        return self._engine.prepare(model, build=build, tell=tell)

    def check_device(self, device: str) -> None:
        self._engine.check_device(device)

    def device_inside(self, device: str) -> str:
        return self._engine.device_inside(device)

    def capacity(self) -> Capacity:
        return self._engine.capacity()

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        return self._engine.orphans(labels)

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:
        return self._engine.adopt(orphan, log, echo)

    def sweep(self, labels: Mapping[str, str]) -> int:
        return self._engine.sweep(labels)

    def heed(self, cancelled: threading.Event) -> None:
        heed(self._engine, cancelled)


def _client() -> Any:
    from docker import APIClient
    from docker.utils import kwargs_from_env

    return APIClient(version="auto", timeout=120, **kwargs_from_env())
