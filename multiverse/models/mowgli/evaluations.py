"""The loss at the dual variables, with gradients; the last point is never computed twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Evaluations:
    """A loss and its gradients as an optimiser's closure.

    An optimiser that takes one iteration a step begins each step where the line search of the
    step before has ended, and asks for the same loss and gradients once more. A copy of the
    point that was evaluated last tells so, and the numbers of then are returned: they are the
    same to the last bit, for about half of the work.
    """

    def __init__(self, loss: Callable[[], Tensor], duals: Sequence[Tensor]) -> None:
        self._loss = loss
        self._duals = duals
        self._point: list[Tensor] = []
        self._value: Tensor | None = None
        #: How often the loss was really computed.
        self.computed = 0

    def __call__(self) -> Tensor:
        """Return the loss, detached; afterwards ``grad`` of every dual is its gradient."""
        if self._value is None or not self._unmoved():
            self._value = self._compute()
        return self._value

    def _unmoved(self) -> bool:
        pairs = zip(self._duals, self._point, strict=True)
        return all(torch.equal(dual, before) for dual, before in pairs)

    def _compute(self) -> Tensor:
        self._point = []
        for dual in self._duals:
            dual.grad = None
        with torch.enable_grad():
            loss = self._loss()
            loss.backward()
        self._point = [dual.detach().clone() for dual in self._duals]
        self.computed += 1
        return loss.detach()
