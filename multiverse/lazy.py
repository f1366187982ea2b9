"""Loads the exports of a room when they are first used.

A room that commands print from exports a few names in its ``__init__``. Loading their modules there
at once would make every command load them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, **exports: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that exports names from the modules beside it.

    ``exports``: by the module's name, the names that come from it, with a space between.
    """
    module_of = {name: module for module, names in exports.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
