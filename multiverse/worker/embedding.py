"""What a model hands back, and the checks that it must pass before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from multiverse.errors import MultiverseError

if TYPE_CHECKING:
    from logging import Logger

    import numpy as np
    from numpy.typing import NDArray

    Latent = NDArray[np.float32]


@dataclass(frozen=True)
class Embedding:
    """A finished embedding.

    Parameters
    ----------
    latent
        Cells × dimensions, rows in the order of the input's cells, finite.
    metrics
        Numbers about the fit, such as a final loss.
    history
        Series of numbers, such as the loss of each epoch. What :meth:`Job.epoch` was told is
        added by the worker.
    """

    latent: Any
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)


class BadEmbedding(MultiverseError):
    """The model's function returned something that is no embedding of these cells."""


def check_latent(latent: Any, n_cells: int) -> Latent:
    """The latent space as C-ordered float32, (n_cells, n_dims).

    Raises :class:`BadEmbedding` for another shape, values that are not finite, or the same
    row for every cell.
    """
    import numpy as np

    try:
        wide = np.asarray(latent, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadEmbedding(f"the model returned {type(latent).__name__}, not numbers") from error
    if wide.ndim != 2 or wide.shape[1] == 0:
        raise BadEmbedding(
            f"the model returned an array of shape {wide.shape}, not (n_cells, n_dims)"
        )
    if len(wide) != n_cells:
        raise BadEmbedding(f"the model returned {len(wide):,} rows for {n_cells:,} cells")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(wide, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise BadEmbedding(
            f"the model returned NaN or infinite values for {len(bad):,} of {n_cells:,} cells, "
            f"first in row {bad[0]}"
        )
    if n_cells > 1 and np.all(values == values[0]):
        raise BadEmbedding("the model returned the same values for every cell")
    return values


def finite_numbers(values: Mapping[str, Any], log: Logger, what: str) -> dict[str, float]:
    """Those of ``values`` that are finite numbers, as Python numbers; the rest is warned of."""
    kept: dict[str, float] = {}
    for name, value in values.items():
        number = as_number(value)
        if number is None:
            log.warning("%s %r is not a finite number and is left out: %r", what, name, value)
        else:
            kept[str(name)] = number
    return kept


def as_number(value: Any) -> float | int | None:
    """A Python int or float for anything that is one finite number (numpy, torch), else None."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        if isinstance(value, int):
            return value
        number = float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if math.isfinite(number) else None
