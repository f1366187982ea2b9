"""Proteins that a batch did not measure: totalVI takes those with no count in it as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from multiverse.worker import Job
    from multiverse.worker.preprocess import View


def unmeasured(proteins: View, batch: NDArray[np.str_] | None) -> dict[str, list[str]]:
    """Return the proteins without a count in a batch, for each batch that has such.

    ``batch`` is (n_cells,), the view (n_cells, n_proteins).

    The library's own rule (Gayoso et al. 2021, Methods, "missing proteins"): a panel of
    antibodies is not part of the data, so zeros throughout a batch are all it can go by.
    """
    if batch is None:
        return {}
    found = {}
    for name in np.unique(batch):
        totals: Any = np.asarray(proteins.values[batch == name].sum(axis=0)).ravel()
        lacking = [proteins.features[column] for column in np.flatnonzero(totals == 0)]
        if lacking:
            found[str(name)] = lacking
    return found


def report_unmeasured(
    job: Job, proteins: View, batch: NDArray[np.str_] | None, *, override: bool
) -> None:
    """Record which proteins are missing where, and warn: the library can't know it.

    ``batch`` is (n_cells,), the view (n_cells, n_proteins).

    ``override`` says that their zeros are taken as measured.
    """
    found = unmeasured(proteins, batch)
    job.record(unmeasured_proteins=found)
    taken = "measured, and zero" if override else "not measured there"
    for name, lacking in found.items():
        shown = ", ".join(lacking[:10]) + (", …" if len(lacking) > 10 else "")
        job.warn(
            f"batch {name}: {len(lacking)} of {len(proteins.features)} proteins have no count "
            f"({shown}); they are taken as {taken} (parameter override_missing_proteins)"
        )
