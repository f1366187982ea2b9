"""Groups of cells: what a dataset's record says of cells that lack a modality."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from multiverse.errors import SpecError
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.cell_groups import CellGroup, unlinked
from multiverse.specs.dataset import DatasetRecord, ModalitySummary

RNA, ADT, ATAC = "rna", "adt", "atac"


def groups(*content: tuple[tuple[str, ...], int]) -> tuple[CellGroup, ...]:
    return tuple(CellGroup(modalities=names, n_cells=number) for names, number in content)


def record(cells: tuple[CellGroup, ...], n_obs: int = 10, **changes: Any) -> DatasetRecord:
    names = sorted({name for group in cells for name in group.modalities}) or [RNA]
    return DatasetRecord(
        slug="mosaic",
        fingerprint="0",
        n_obs=n_obs,
        modalities=dict.fromkeys(names, ModalitySummary(n_vars=1, n_values=1)),
        groups=cells,
        source_name="x.h5mu",
        source_sha256="0",
        options_sha256="0",
        registered_at="2026-01-01T00:00:00+00:00",
        multiverse_version="1.0.0",
        **changes,
    )


def test_cells_that_lack_a_modality_are_counted() -> None:
    mosaic = record(groups(((RNA, ADT), 5), ((RNA,), 3), ((ATAC, ADT), 2)))
    assert mosaic.lacking == {"adt": 3, "atac": 8, "rna": 2}
    assert mosaic.n_outside([RNA]) == 2
    assert mosaic.n_outside([ATAC]) == 8
    assert mosaic.n_outside([RNA, ATAC]) == 0
    assert DatasetRecord.model_validate_json(mosaic.model_dump_json()) == mosaic


def test_complete_data_lack_nothing_and_old_records_can_be_read() -> None:
    complete = record(())
    assert complete.lacking == {}
    assert complete.n_outside([RNA]) == 0
    assert DatasetRecord.model_validate_json(complete.model_dump_json(exclude={"groups"})) == (
        complete
    )


def test_groups_must_fit_the_dataset() -> None:
    with pytest.raises(ValidationError, match="do not add up to 11"):
        record(groups(((RNA,), 10)), n_obs=11)
    with pytest.raises(ValidationError, match="other modalities"):
        record(groups(((RNA, ADT), 10))).model_validate(
            {**record(()).model_dump(), "groups": [{"modalities": ["adt"], "n_cells": 10}]}
        )


@pytest.mark.parametrize(
    ("together", "modalities", "expected"),
    [
        ([(RNA, ADT), (RNA,)], (RNA, ADT), ()),
        ([(RNA,), (ADT,)], (RNA, ADT), (ADT,)),
        ([(RNA, ADT), (RNA, ATAC)], (ATAC, ADT, RNA), ()),
        ([(RNA, ADT), (RNA, ATAC)], (ATAC, ADT), (ADT,)),
        ([(RNA,), (ADT, ATAC)], (RNA, ATAC, ADT), (ATAC, ADT)),
        ([(RNA,)], (RNA,), ()),
    ],
)
def test_links_are_chains_of_cells(
    together: list[tuple[str, ...]], modalities: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    cells = groups(*((names, 1) for names in together))
    assert unlinked(cells, modalities) == expected
    assert unlinked(cells[::-1], modalities) == expected


def test_a_benchmark_keeps_or_drops_but_not_both() -> None:
    entry: dict[str, Any] = {"path": "a.h5mu", "mosaic": True}
    source = BenchmarkSource.of({"datasets": [entry], "models": ["cobolt"]})
    assert source.benchmark.datasets[0].mosaic
    with pytest.raises(SpecError, match="intersect drops the cells"):
        BenchmarkSource.of({"datasets": [{**entry, "intersect": True}], "models": ["cobolt"]})
    with pytest.raises(SpecError, match="needs a path"):
        BenchmarkSource.of({"datasets": [{"slug": "a", "mosaic": True}], "models": ["cobolt"]})
