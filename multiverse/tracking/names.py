"""What MLflow takes as a name or a value; anything else is made to fit, and never fails."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: MLflow's limits, in characters. Tags: that of servers before 3.0, which took fewer.
MAX_NAME = 250
MAX_PARAM = 6000
MAX_TAG = 5000
_FOREIGN = re.compile(r"[^\w./\- :]")


def fitting_name(name: str) -> str:
    """The name, if MLflow takes it; else one like it that ends with a hash of the original.

    MLflow takes letters, digits, ``_ - . : /`` and spaces, at most 250, and nothing that is not
    a path in its simplest form. The hash keeps names apart that would become the same.
    """
    plain = _FOREIGN.sub("_", name)
    if plain == name and len(name) <= MAX_NAME and _is_simple_path(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:6]
    plain = re.sub(r"/+", "/", plain).replace("..", "__").strip("/. ")
    plain = posixpath.normpath(f"{plain[: MAX_NAME - 8]}-{digest}")
    return plain if _is_simple_path(plain) else f"name-{digest}"


def _is_simple_path(name: str) -> bool:
    simple = posixpath.normpath(name) == name
    return simple and name != "." and not name.startswith(("..", "/"))


def storable(text: str) -> str:
    """Text that every database takes: no NUL, no halves of characters."""
    return text.encode(errors="replace").decode().replace("\0", "�")


@dataclass
class Fitted:
    """Names and values that MLflow takes; ``cut`` says which ones it could not take whole."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    def add_params(self, values: Mapping[str, Any], prefix: str = "") -> None:
        """A name that is taken already gets ``parameter.`` before it."""
        for name, value in values.items():
            key = fitting_name(prefix + name)
            if key in self.params:
                key = fitting_name(f"parameter.{key}")
            self.params[key] = self._fitting(key, value, MAX_PARAM)

    def add_tags(self, values: Mapping[str, Any], prefix: str = "") -> None:
        """What is None or empty is no tag."""
        for name, value in values.items():
            if value is not None and value != "":
                key = fitting_name(prefix + name)
                self.tags[key] = self._fitting(key, value, MAX_TAG)

    def _fitting(self, name: str, value: Any, limit: int) -> str:
        """Strings as they are, the rest as JSON."""
        plain = isinstance(value, str)
        text = storable(value if plain else json.dumps(value, ensure_ascii=False, default=str))
        if len(text) <= limit:
            return text
        self.cut.append(f"{name} ({len(text):,} characters)")
        return text[: limit - 1] + "…"
