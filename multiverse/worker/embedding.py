"""The result of a model's function, and the checks that it must pass before it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

from multiverse.contract.output import is_axis_name, is_count
from multiverse.errors import MultiverseError

if TYPE_CHECKING:
    from logging import Logger

    import numpy as np
    from numpy.typing import NDArray

    Latent = NDArray[np.float32]


@dataclass(frozen=True)
class Series:
    """A history that is not per epoch, or not of every epoch.

    Parameters
    ----------
    values
        The numbers, in order.
    per
        What there is a value of, in one word: ``iteration``, ``factor``. ``epoch``,
        ``iteration``, ``step`` and ``evaluation`` are drawn as a course of training, anything else
        as things side by side.
    at
        The number of each epoch, iteration …, whole and not negative; counted from 1 without.
    """

    values: Sequence[float]
    per: str = "epoch"
    at: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Raise :class:`BadEmbedding` for an axis that can't be written."""
        if not is_axis_name(self.per):
            raise BadEmbedding(f"a history can't be per {self.per!r}: it takes a word")
        if self.at is None:
            return
        if len(self.at) != len(self.values):
            raise BadEmbedding(
                f"a history of {len(self.values):,} values is at {len(self.at):,} numbers"
            )
        if not all(isinstance(n, SupportsIndex) and is_count(index(n)) for n in self.at):
            raise BadEmbedding("a history is at whole numbers that are not negative")


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
        Series of numbers: the loss of each epoch, or a :class:`Series` that says what it is
        per. What :meth:`Job.epoch` was told is added by the worker.
    """

    latent: Any
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, Sequence[float] | Series] = field(default_factory=dict)


class BadEmbedding(MultiverseError):
    """The model's function returned something that is no embedding of these cells."""


def check_latent(latent: Any, n_cells: int) -> Latent:
    """Return the latent space as C-ordered float32, (n_cells, n_dims).

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
    """Return those of ``values`` that are finite, as Python numbers; warn of the rest."""
    kept: dict[str, float] = {}
    for name, value in values.items():
        number = as_number(value)
        if number is None:
            log.warning("%s %r is not a finite number and is left out: %r", what, name, value)
        else:
            kept[str(name)] = number
    return kept


def as_number(value: Any) -> float | int | None:
    """Return a Python number for anything that is one finite number (numpy, torch), else None."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        if isinstance(value, int):
            return value
        number = float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if math.isfinite(number) else None
