"""Mosaic data: groups of cells that were measured in the same modalities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field


class CellGroup(BaseModel):
    """The number of cells that were measured in exactly these modalities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: tuple[str, ...] = Field(min_length=1)
    n_cells: int = Field(ge=1)


def unlinked(groups: Iterable[CellGroup], modalities: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``modalities`` that no cell links to the first of them.

    A cell links the modalities that it was measured in, and links form chains: RNA with ATAC in
    some cells and RNA with ADT in others tie ATAC to ADT. What is not linked can't be integrated
    by what cells share.
    """
    wanted = set(modalities)
    together = [wanted.intersection(group.modalities) for group in groups]
    linked = set(modalities[:1])
    while True:
        grown = linked.union(*(names for names in together if names & linked))
        if grown == linked:
            return tuple(name for name in modalities if name not in linked)
        linked = grown
