"""``dataset.json``: the record of a registered dataset."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from multiverse.specs.cell_groups import CellGroup
from multiverse.specs.names import Slug

#: The size of the file at most.
RECORD_MAX_BYTES = 16 * 1024 * 1024
#: The modalities that models know, by the names they know them.
MODALITIES = ("rna", "atac", "adt")
#: Labels that often mean that there is none. They count as cell types unless they are declared.
SUSPECT_LABELS = frozenset(
    {"", "unknown", "unassigned", "unlabelled", "unlabeled", "nan", "na", "n/a", "none", "doublet"}
)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoundedCounts(_Frozen):
    """What rounding changed: values that were counts but for a fraction."""

    n_changed: int = Field(ge=0, description="values that were not whole")
    largest_change: float = Field(ge=0, le=0.5, description="of one value")
    moved: float = Field(ge=0, description="sum of the absolute changes")
    total_before: float = Field(ge=0, description="sum of all values as they were")
    total_after: float = Field(ge=0, description="sum of all counts as they are")


class ModalitySummary(_Frozen):
    """One modality of a registered dataset, in numbers."""

    n_vars: int = Field(ge=1, description="features")
    n_values: int = Field(ge=0, description="stored non-zero counts")
    empty_cells: int = Field(default=0, ge=0, description="cells without any count here")
    empty_features: int = Field(default=0, ge=0, description="features without any count")
    rounded: RoundedCounts | None = Field(
        default=None, description="what rounding changed, where it was asked for"
    )


class DatasetRecord(_Frozen):
    """The record of a registration. Everything but the names is derived from content.

    ``fingerprint`` hashes what a model sees (cells, features, counts, batch);
    ``labels_fingerprint`` hashes the held-out labels, so that new labels never re-run a model.
    """

    slug: Slug
    fingerprint: str
    labels_fingerprint: str | None = None
    n_obs: int = Field(ge=1, description="cells")
    modalities: dict[str, ModalitySummary] = Field(min_length=1)
    groups: tuple[CellGroup, ...] = Field(
        default=(),
        description="of a mosaic: how many cells were measured in which modalities; empty where "
        "every cell was measured in every modality",
    )
    batch_key: str | None = None
    n_batches: int | None = None
    label_key: str | None = None
    n_labels: int | None = None
    label_columns: dict[str, int] = Field(
        default_factory=dict,
        description="where no labels were given: columns that could be, with their groups",
    )
    unlabelled: tuple[str, ...] = ()
    source_name: str = Field(
        description="file name of the source, without its folder; of several as modality=name"
    )
    source_sha256: str
    options_sha256: str = Field(description="hash of the registration options")
    settings: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="how the source was read, as an entry of a benchmark file says it",
    )
    registered_at: str
    multiverse_version: str
    notes: tuple[str, ...] = Field(default=(), description="what a user should know")

    @model_validator(mode="after")
    def _groups_add_up(self) -> DatasetRecord:
        if not self.groups:
            return self
        if sum(group.n_cells for group in self.groups) != self.n_obs:
            raise ValueError(f"the groups of cells do not add up to {self.n_obs:,}")
        if {name for group in self.groups for name in group.modalities} != set(self.modalities):
            raise ValueError("the groups of cells have other modalities than the dataset")
        return self

    @property
    def lacking(self) -> dict[str, int]:
        """Modality → how many cells were not measured in it; only where there are such cells."""
        counts = {
            name: sum(group.n_cells for group in self.groups if name not in group.modalities)
            for name in self.modalities
        }
        return {name: number for name, number in counts.items() if number}

    def n_outside(self, modalities: Collection[str]) -> int:
        """Return the number of cells that were measured in none of these modalities."""
        return sum(
            group.n_cells for group in self.groups if not {*group.modalities} & {*modalities}
        )
