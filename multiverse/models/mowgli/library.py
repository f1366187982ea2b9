"""mowgli's model, imported without the package's plots and scores.

``import mowgli`` also imports ``mowgli.pl``, ``mowgli.tl`` and ``mowgli.score``, and with them
scanpy, seaborn, matplotlib and numba, none of which the factorisation uses. Here only the
modules ``mowgli.models`` and ``mowgli.utils`` are run, unchanged; the package's ``__init__`` is
not. Where mowgli has been imported already, that one is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


def models_module() -> ModuleType:
    """Import ``mowgli.models``, and leave ``import mowgli`` as it was for others.

    Raises ModuleNotFoundError if mowgli is not installed.
    """
    if "mowgli" in sys.modules:
        return importlib.import_module("mowgli.models")
    specification = importlib.util.find_spec("mowgli")
    if specification is None:
        raise ModuleNotFoundError("mowgli is not installed", name="mowgli")
    sys.modules["mowgli"] = importlib.util.module_from_spec(specification)
    try:
        return importlib.import_module("mowgli.models")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "mowgli"]:
            del sys.modules[name]
