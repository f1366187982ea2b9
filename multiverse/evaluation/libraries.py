"""Loads the libraries that compile as they are imported, with what an earlier process compiled.

umap-learn (by whose graph scib-metrics clusters) and pynndescent compile for half a minute. Here
numba keeps what it compiles in ``NUMBA_CACHE_DIR``, which the image has filled already, and JAX in
``JAX_COMPILATION_CACHE_DIR``, where one process finds what another has compiled.

Run alone, this fills numba's cache::

    NUMBA_CACHE_DIR=/opt/multiverse/numba-cache python -m multiverse.evaluation.libraries
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def load(compiled: Path | None = None) -> None:
    """Import what compiles. ``compiled``: a folder for JAX's code, shared by processes.

    Must come before anything else that imports umap-learn or JAX.
    """
    if compiled is not None:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with _compiled_code_kept():
        importlib.import_module("umap.umap_")
    importlib.import_module("scib_metrics")


@contextmanager
def _compiled_code_kept() -> Iterator[None]:
    """Keep what numba compiles within the block in its cache on disk."""
    import numba

    compile_function = numba.njit

    def keep(*arguments: Any, **options: Any) -> Callable[..., Any]:
        if arguments and callable(arguments[0]):
            return keep(*arguments[1:], **options)(arguments[0])  # type: ignore[no-any-return]
        decorate: Callable[..., Any] = compile_function(*arguments, **{"cache": True, **options})
        return decorate

    numba.njit = keep
    try:
        yield
    finally:
        numba.njit = compile_function


def _fill() -> None:
    load()
    import numpy as np

    from multiverse.evaluation.neighbours import find_neighbours
    from multiverse.worker.umap_layout import layout

    points = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
    for exact in (True, False):
        find_neighbours(points, 50, exact=exact).connectivities(15)
    layout(points, seed=0)


if __name__ == "__main__":
    _fill()
