"""Looks at a dataset before anything is registered or run: contents, columns, models, costs.

May import specs, registry, plan, engines, runner and forecast. Writes nothing but scratch files,
which are gone afterwards.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.inspection.facts import (
        Depth,
        Inspection,
        ModalityFacts,
        ModelOutlook,
        Obstacle,
        OtherCommand,
    )
    from multiverse.inspection.wording import TextTable, Wording
else:
    __getattr__ = lazily(
        __name__,
        facts="Depth Inspection ModalityFacts ModelOutlook Obstacle OtherCommand",
        wording="TextTable Wording",
    )

__all__ = [
    "Depth",
    "Inspection",
    "ModalityFacts",
    "ModelOutlook",
    "Obstacle",
    "OtherCommand",
    "TextTable",
    "Wording",
]
