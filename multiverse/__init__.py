"""multiverse: which multimodal integration model should I trust for my data?

Every model runs in its own container (or its own locked environment), is given the same raw
counts, and leaves a record from which a stranger can repeat the result::

    import multiverse

    results = multiverse.run(models=["pca", "mofa"], dataset="data.h5mu", output="results/")
    results["mofa"].embedding()  # (n_cells, n_dims) array, in the order of your own cells

Importing the package is cheap: the library behind a name is loaded when the name is first used.
This module is also part of every model image, where only ``contract`` and ``worker`` exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiverse.api import (
        Results,
        evaluate,
        inspect,
        open_results,
        preview,
        ranking,
        register,
        run,
    )

__version__ = "1.0.0"

__all__ = [
    "Results",
    "__version__",
    "evaluate",
    "inspect",
    "open_results",
    "preview",
    "ranking",
    "register",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from multiverse import api

        return getattr(api, name)
    raise AttributeError(f"module 'multiverse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
