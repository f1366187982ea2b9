"""Chooses the engine: the named one, or the best there is on this machine."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points

from multiverse.engines.protocol import Engine
from multiverse.errors import EngineUnavailable, UsageError
from multiverse.events import Noted, Tell

AUTO = "auto"


def engine_names() -> list[str]:
    """Return the built-in engines and those that other packages register."""
    return ["docker", "local", *sorted(point.name for point in _third_party())]


def choose_engine(name: str, tell: Tell) -> Engine:
    """Return an engine that answers. ``auto``: Docker if a daemon is reachable, else local.

    Raises :class:`UsageError` for an unknown name, :class:`EngineUnavailable` if the named
    engine is not there; only ``auto`` ever falls back, and says so.
    """
    if name != AUTO:
        engine = _make(name)
        facts = engine.facts()
        tell(Noted(f"engine: {facts.name} {facts.version} ({facts.isolation.partition(':')[0]})"))
        return engine
    docker = _make("docker")
    try:
        facts = docker.facts()
    except EngineUnavailable as error:
        words = f"engine: local, because {error}; models are isolated by environment only"
        tell(Noted(words))
        return _make("local")
    tell(Noted(f"engine: docker {facts.version} ({facts.isolation.partition(':')[0]})"))
    return docker


def _make(name: str) -> Engine:
    """Load an engine by its name: the SDK of one is no business of the others."""
    if name == "docker":
        from multiverse.engines.docker import DockerEngine

        return DockerEngine()
    if name == "local":
        from multiverse.engines.local import LocalEngine

        return LocalEngine()
    for point in _third_party():
        if point.name == name:
            engine: Engine = point.load()()
            return engine
    raise UsageError(
        f"there is no engine {name!r:.60}", remedy=f"Choose one of: {', '.join(engine_names())}."
    )


def _third_party() -> list[EntryPoint]:
    return list(entry_points(group="multiverse.engines"))


def named_engine(name: str | None) -> str:
    """Return the name of the wanted engine: as said, as ``MULTIVERSE_ENGINE`` says, or ``auto``."""
    return name or os.environ.get("MULTIVERSE_ENGINE") or AUTO
