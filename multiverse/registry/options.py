"""Options of a registration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from multiverse.errors import UsageError
from multiverse.specs.dataset import MODALITIES

#: Counts up when registration starts to make something else of the same source and options.
REGISTRATION_FORMAT = 1


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
        Names in the source → ``rna``, ``atac`` or ``adt``: modalities of an ``.h5mu``, values of
        ``var["feature_types"]``, or ``X`` for an ``.h5ad`` as a whole.
    intersect
        Keep the cells that all modalities have, where the source has others too.
    mosaic
        Keep every cell, also those that were not measured in every modality; a missing
        measurement stays missing. Excludes ``intersect``.
    layer
        The layer that holds raw counts; without it ``X``, ``layers["counts"]`` and ``raw`` are
        tried in this order. ``X`` and ``raw`` can be named too; what is named is taken even if
        it is doubtful, with a note.
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
    layer: str | None = None
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
            "layer": self.layer,
        }
        if self.mosaic:  # left out otherwise: registrations made before it existed keep their hash
            content["mosaic"] = True
        if self.round:
            content["round"] = sorted(self.round)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


#: No column is named, and nothing is forced.
DEFAULT_OPTIONS = RegistrationOptions()
