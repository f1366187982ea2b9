"""Options of a registration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from multiverse.errors import UsageError
from multiverse.specs.dataset import MODALITIES

#: Counts up when registration starts to make something else of the same source and options.
REGISTRATION_FORMAT = 2


#: In ``round``: every modality.
EVERY = "all"


class Unpaired(StrEnum):
    """The treatment of cells that were not measured in every modality."""

    REFUSE = "refuse"
    DROP = "drop"
    KEEP = "keep"


@dataclass(frozen=True)
class RegistrationOptions:
    """Options for reading a source file.

    Parameters
    ----------
    batch_key
        Column of ``obs`` with the batch of each cell; the only column that models see.
    label_key
        Column of ``obs`` with the cell types, for evaluation only.
    unlabelled
        Values of the label column that mean "not known".
    modality_names
        Names in the source → ``rna``, ``atac`` or ``adt``: modalities of an ``.h5mu``; kinds of
        features as a column of ``var`` has them (``COLUMN:KIND`` where two columns do), or types
        of a 10x file; ``obsm:NAME`` for a table in ``obsm``; ``X`` for the matrix as a whole.
    intersect
        Keep the cells that all modalities have, where the source has others too.
    mosaic
        Keep every cell, also those that were not measured in every modality; a missing
        measurement stays missing. Excludes ``intersect``.
    layer
        The layer that holds raw counts: one name for every modality that has it, or modality →
        layer. Without it ``X``, ``layers["counts"]`` and ``raw`` are tried in this order. ``X``
        and ``raw`` can be named too; what is named is taken even if it is doubtful, with a note.
    without
        Modalities to leave out.
    exclude
        Modality → patterns of features to leave out, such as ``HTO*`` (``*``, ``?`` and ``[…]``
        as in a shell; upper and lower case differ).
    match_barcodes
        Join cells whose names agree but for a suffix, a prefix or the way they are written; they
        get the names that the first modality has.
    round
        Modalities (or ``all``) whose values are rounded to the nearest whole number where no
        matrix holds whole ones; what that changed is recorded.
    replace
        Move the slug on to this content when it stands for another one.
    """

    batch_key: str | None = None
    label_key: str | None = None
    unlabelled: tuple[str, ...] = ()
    modality_names: Mapping[str, str] = field(default_factory=dict)
    intersect: bool = False
    mosaic: bool = False
    layer: str | Mapping[str, str] | None = None
    without: tuple[str, ...] = ()
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    match_barcodes: bool = False
    round: tuple[str, ...] = ()
    replace: bool = False

    def check(self) -> None:
        """Raise :class:`UsageError` where the options contradict each other."""
        for new in self.modality_names.values():
            if new not in MODALITIES:
                raise UsageError(
                    f"{new!r} is not a modality that models know",
                    remedy=f"Use one of {', '.join(MODALITIES)}, as in --modality old=rna",
                )
        if self.intersect and self.mosaic:
            raise UsageError(
                "intersect drops the cells that lack a modality, mosaic keeps them: both can't be",
                remedy="Choose one of --intersect and --mosaic.",
            )
        for name in self.round:
            if name not in (*MODALITIES, EVERY):
                raise UsageError(
                    f"{name!r} can't be rounded: it is not a modality that models know",
                    remedy=f"Use one of {', '.join(MODALITIES)}, or {EVERY}",
                )
        if self.label_key is not None and self.label_key == self.batch_key:
            raise UsageError(
                f"{self.label_key!r} can't be both the batch and the label column: models see "
                "the batch, and must not see the labels",
                remedy="Name two different columns with --batch-key and --label-key.",
            )
        if self.unlabelled and self.label_key is None:
            raise UsageError(
                "Values that mean 'unlabelled' were given without a label column",
                remedy="Name the column with --label-key.",
            )

    @property
    def unpaired(self) -> Unpaired:
        """The treatment of cells that lack a modality."""
        if self.intersect:
            return Unpaired.DROP
        return Unpaired.KEEP if self.mosaic else Unpaired.REFUSE

    @property
    def layer_names(self) -> frozenset[str]:
        """The names of all layers that are asked for."""
        if self.layer is None:
            return frozenset()
        return frozenset([self.layer] if isinstance(self.layer, str) else self.layer.values())

    def settings(self) -> dict[str, Any]:
        """Return what differs from the defaults, as an entry of a benchmark file says it."""
        content = {
            "batch_key": self.batch_key,
            "label_key": self.label_key,
            "unlabelled": [*self.unlabelled],
            "modalities": dict(self.modality_names),
            "layer": dict(self.layer) if isinstance(self.layer, Mapping) else self.layer,
            "without": [*self.without],
            "exclude": {name: [*patterns] for name, patterns in self.exclude.items()},
            "intersect": self.intersect,
            "mosaic": self.mosaic,
            "match_barcodes": self.match_barcodes,
            "round": [*self.round],
        }
        return {name: value for name, value in content.items() if value}

    def rounds(self, modality: str) -> bool:
        """Return whether fractional values of this modality are to be rounded."""
        return modality in self.round or EVERY in self.round

    def sha256(self) -> str:
        """Return the hash of everything here that can change what is registered."""
        content: dict[str, object] = {
            "format": REGISTRATION_FORMAT,
            "batch_key": self.batch_key,
            "label_key": self.label_key,
            "unlabelled": sorted(self.unlabelled),
            "modality_names": dict(self.modality_names),
            "intersect": self.intersect,
            "layer": dict(self.layer) if isinstance(self.layer, Mapping) else self.layer,
        }
        # Left out at their defaults: registrations made before they existed keep their hash.
        content |= {
            name: value
            for name, value in {
                "mosaic": self.mosaic,
                "without": sorted({*self.without}),
                "exclude": {name: sorted({*found}) for name, found in self.exclude.items()},
                "match_barcodes": self.match_barcodes,
                "round": sorted({*self.round}),
            }.items()
            if value
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


#: No column is named, and nothing is forced.
DEFAULT_OPTIONS = RegistrationOptions()
