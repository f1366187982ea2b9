"""``multiverse datasets``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from multiverse.api import list_datasets
from multiverse.cli.terminal import plain_table, print_json, print_table, safe, say
from multiverse.specs import DatasetRecord


@dataclass(frozen=True)
class DatasetsArguments:
    """Options of the printed list."""

    json: bool


def read(given: Namespace) -> DatasetsArguments:
    """Return the arguments."""
    return DatasetsArguments(json=given.json)


def main(arguments: DatasetsArguments) -> int:
    """List the registered datasets."""
    found = list_datasets()
    if arguments.json:
        print_json([dataset.record.model_dump(mode="json") for dataset in found])
        return 0
    if not found:
        say("no dataset is registered yet: multiverse register data.h5mu")
        return 0
    table = plain_table(
        "dataset", "cells", "modalities", "batch", "labels", "fingerprint", right=("cells",)
    )
    for dataset in found:
        record = dataset.record
        parts = ", ".join(_modality(record, name) for name in record.modalities)
        table.add_row(
            safe(record.slug, "bold"),
            f"{record.n_obs:,}",
            parts,
            safe(_column(record.batch_key, record.n_batches)),
            safe(_column(record.label_key, record.n_labels)),
            record.fingerprint.removeprefix("sha256:")[:16],
        )
    print_table(table)
    return 0


def _modality(record: DatasetRecord, name: str) -> str:
    """Return ``adt 14 (in 1,500 cells)``: its features, and its cells where not all have it."""
    features = f"{name} {record.modalities[name].n_vars:,}"
    lacking = record.lacking.get(name)
    return f"{features} (in {record.n_obs - lacking:,} cells)" if lacking else features


def _column(key: str | None, count: int | None) -> str:
    return "—" if key is None else f"{key} ({count})"
