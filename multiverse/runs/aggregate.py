"""The means of a member's scores as they are kept, and the weights that they are made by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from multiverse.contract.numbers import Count, Finite
from multiverse.contract.scores import Frozen, Interval

AGGREGATES = ("total", "bio", "batch")
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


def bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    """Return both ends of an interval; None twice without one."""
    return (None, None) if interval is None else (interval.low, interval.high)


class Weights(Frozen):
    """The weights of the total: of both groups, and of ``metrics`` in their group (1 if unnamed).

    The default is that of Luecken et al. 2022 (doi 10.1038/s41592-021-01336-8). A metric of weight
    0 is in no mean. The weights of the groups are taken as shares of their sum.
    """

    bio: Weight = 0.6
    batch: Weight = 0.4
    metrics: dict[str, Weight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.bio <= 0:
            raise ValueError(
                "bio must have a weight above 0: a random embedding mixes batches best, so that a "
                "total without biology would rank nothing"
            )
        return self

    @property
    def shares(self) -> tuple[float, float]:
        """The weights of bio and batch, as shares of 1."""
        return self.bio / (self.bio + self.batch), self.batch / (self.bio + self.batch)

    def of(self, metric: str) -> float:
        """Return the weight of a metric in the mean of its group."""
        return self.metrics.get(metric, 1.0)


class Aggregate(Frozen):
    """A mean over the metrics of a group that are available: ``available`` of ``of``.

    ``missing``: names of the others. ``value`` is None where nothing is available; for the total,
    where one of its two groups is not (``reason`` says which). ``scaled``: the mean over values
    scaled by two controls (0 and 1); ``scaled_available`` of its metrics have one, and
    ``scaled_clipped`` says whether one of them was cut.
    """

    value: Finite | None
    available: Count
    of: Count
    missing: tuple[str, ...] = ()
    reason: str = ""
    interval: Interval | None = None
    scaled: Finite | None = None
    scaled_available: Count = 0
    scaled_clipped: bool = False

    @property
    def coverage(self) -> str:
        """``9/10``."""
        return f"{self.available}/{self.of}"
