"""The folders of this user: what is kept (home) and what can be made again (cache)."""

from __future__ import annotations

import os
from pathlib import Path

from multiverse.contract.folders import resolved

HOME_VARIABLE = "MULTIVERSE_HOME"
CACHE_VARIABLE = "MULTIVERSE_CACHE"
_APPLICATION = "multiverse"


def home() -> Path:
    """Return the folder of datasets: ``MULTIVERSE_HOME``, or the system's place for user data."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return resolved(Path(chosen).expanduser().absolute())
    from platformdirs import user_data_dir

    return resolved(Path(user_data_dir(_APPLICATION, appauthor=False)))


def cache() -> Path:
    """Return the folder of what can be made again, such as environments: ``MULTIVERSE_CACHE``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return resolved(Path(chosen).expanduser().absolute())
    from platformdirs import user_cache_dir

    return resolved(Path(user_cache_dir(_APPLICATION, appauthor=False)))
