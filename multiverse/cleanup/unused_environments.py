"""Environments of the engine ``local`` that no model's lock makes any more; copies of the SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil

from multiverse.cleanup.removable import (
    CleanupGroup,
    Entry,
    Item,
    Kept,
    NotRemoved,
    names_in,
    occupied,
    put_aside,
    remove_folder,
)
from multiverse.errors import BuildError
from multiverse.exclusive import exclusive
from multiverse.images.environment import MARKER, environment_lock, used_folders
from multiverse.specs.accelerator import has_cuda_variant, variant
from multiverse.specs.model import ModelSpec

ENVIRONMENTS, SDK = "environments", "sdk"
_HASH = re.compile(r"[0-9a-f]{16}")


def unused_environments(models: Sequence[ModelSpec], cache: Path) -> Iterator[Entry]:
    """Yield whatever below ``cache`` the models that are known here would not use."""
    try:
        used = _used(models, cache)
    except BuildError as error:  # without Python 3.11 nobody can say which are used
        yield Kept(CleanupGroup.ENVIRONMENTS, str(cache / ENVIRONMENTS), str(error))
        return
    for base in (ENVIRONMENTS, SDK):
        yield from put_aside(cache, [base], CleanupGroup.ENVIRONMENTS)
        for name in names_in(cache, base):
            folder = cache / base / name
            leftover = base == SDK and name.startswith(".making-")
            if folder in used or not (_HASH.fullmatch(name) or leftover) or folder.is_symlink():
                continue
            why = _why(folder) if base == ENVIRONMENTS else "an SDK of other sources"
            remove = partial(_remove, cache, base, name)
            yield Item(CleanupGroup.ENVIRONMENTS, str(folder), why, occupied(folder), remove)


def _used(models: Sequence[ModelSpec], cache: Path) -> frozenset[Path]:
    variants = [*models, *(variant(model, "cuda") for model in models if has_cuda_variant(model))]
    return used_folders([model for model in variants if model.requirements.is_file()], cache=cache)


def _why(folder: Path) -> str:
    try:
        made_for = str(json.loads((folder / MARKER).read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return "never finished"
    return f"made for {made_for}; no model known here has that lock"


def _remove(cache: Path, base: str, name: str) -> None:
    """Remove it unless it is being made, or a process runs in it."""
    folder = cache / base / name
    if _is_running(folder):
        raise NotRemoved("a process runs in it")
    try:
        with exclusive(environment_lock(cache / ENVIRONMENTS / name), seconds=0):
            remove_folder(cache, (base, name), [base])
    except TimeoutError as error:
        raise NotRemoved("another process is making it") from error


def _is_running(folder: Path) -> bool:
    """Return whether a process runs the environment's Python, or imports from the folder."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = process.info["cmdline"] or []
        search = (process.info["environ"] or {}).get("PYTHONPATH", "").split(":")
        if any(word.startswith(f"{folder}/") for word in words[:1]) or str(folder) in search:
            return True
    return False
