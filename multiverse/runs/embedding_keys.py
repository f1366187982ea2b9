"""The keys of embeddings in ``obsm``, wherever several of one dataset stand side by side."""

from __future__ import annotations

from collections.abc import Iterable

from multiverse.runs.record import RunRecord


def embedding_keys(records: Iterable[RunRecord]) -> dict[str, str]:
    """Run id → the model's name, with the run's id where the model ran more than once.

    And where the name alone would read as the layout of another model (``umap_pca``). The key in
    ``obsm`` is ``X_`` and this.
    """
    records = list(records)
    models = [record.model for record in records]
    return {
        record.run_id: record.model
        if models.count(record.model) == 1 and not record.model.startswith("umap_")
        else f"{record.model}_{record.run_id}"
        for record in records
    }
