"""The folders of this user: what is kept (home) and what can be made again (cache)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from multiverse.contract.folders import resolved

HOME_VARIABLE = "MULTIVERSE_HOME"
CACHE_VARIABLE = "MULTIVERSE_CACHE"
_APPLICATION = "multiverse"
#: A home and a cache that stand in for those of the user, while they must stay as they are.
_OVERLAID: ContextVar[tuple[Path, Path] | None] = ContextVar("overlaid", default=None)


def home() -> Path:
    """Return the folder of datasets: ``MULTIVERSE_HOME``, or the system's place for user data."""
    instead = _OVERLAID.get()
    if instead is not None:
        return instead[0]
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return resolved(Path(chosen).expanduser().absolute())
    from platformdirs import user_data_dir

    return resolved(Path(user_data_dir(_APPLICATION, appauthor=False)))


def cache() -> Path:
    """Return the folder of what can be made again, such as environments: ``MULTIVERSE_CACHE``."""
    instead = _OVERLAID.get()
    return users_cache() if instead is None else instead[1]


def users_cache() -> Path:
    """Return the user's own :func:`cache`, also where another one stands in for it."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return resolved(Path(chosen).expanduser().absolute())
    from platformdirs import user_cache_dir

    return resolved(Path(user_cache_dir(_APPLICATION, appauthor=False)))


def is_overlaid() -> bool:
    """Return whether other folders stand in for those of the user (:func:`overlaid`)."""
    return _OVERLAID.get() is not None


@contextmanager
def overlaid(home: Path, cache: Path) -> Iterator[None]:
    """Have :func:`home` and :func:`cache` return these folders meanwhile, in this thread."""
    before = _OVERLAID.set((home, cache))
    try:
        yield
    finally:
        _OVERLAID.reset(before)
