"""kBET per label: whether neighbourhoods within a label hold the batches in the label's shares.

The definition is scib-metrics' (after Büttner et al. 2019 and Luecken et al. 2022), with two
differences that change no value: neighbours in the diffusion map are exact, where the library
searches them with pynndescent (which compiles for half a minute), and the test is computed by
scipy. A peculiarity is kept so that values agree: the number of diffusion components, once cut for
a small label, stays cut for the labels that come after it by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, eigsh
from scipy.stats import chi2

from multiverse.contract.scores import Group
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate, Values, mean_of_groups
from multiverse.evaluation.metric import LUECKEN, SCIB_METRICS, Metric
from multiverse.evaluation.needs import MIN_CELLS_PER_GROUP, Need
from multiverse.evaluation.neighbours import find_neighbours
from multiverse.evaluation.sheet import Codes

ALPHA = 0.05
#: Neighbourhoods of the test: a quarter of a mean batch within the label, between these.
LEAST, MOST = 10, 70
DIFFUSION_COMPONENTS = 100
#: Of a label that falls into pieces, the large ones must hold that share of its cells.
USABLE_SHARE = 0.75
REJECTED = 0.0


def kbet_per_label(case: Case) -> Estimate:
    """Return the mean, over labels, of the share of neighbourhoods that the test accepts."""
    space = case.labelled
    labels, batches = space.known_labels, space.known_batches
    graph = space.neighbours.connectivities(space.settings.kbet_neighbours)
    accepted = np.full(space.n_cells, np.nan)
    components = DIFFUSION_COMPONENTS
    for code in range(len(labels.names)):
        rows = np.flatnonzero(labels.codes == code)
        own = batches.codes[rows]
        if len(rows) < MIN_CELLS_PER_GROUP or len(np.unique(own)) == 1:
            continue
        label = _Label(graph[rows][:, rows], own)
        components = min(components, label.n_usable - 1) if label.is_usable else components
        accepted[rows] = label.accepted(components)
    tested = np.unique(labels.codes[np.isfinite(accepted)])
    means = {
        labels.names[code]: float(np.nanmean(accepted[labels.codes == code])) for code in tested
    }
    return Estimate(mean_of_groups(accepted, labels.codes), space.cells, means)


@dataclass(frozen=True)
class _Label:
    """The cells of one label: their part of the neighbour graph, and their batches."""

    graph: csr_matrix
    batches: Codes

    @property
    def k(self) -> int:
        mean = len(self.batches) / len(np.unique(self.batches))
        return min(MOST, max(LEAST, int(mean // 4)))

    @property
    def usable(self) -> NDArray[np.intp]:
        """Return the cells in pieces that are large enough; all, where there is one piece."""
        number, pieces = connected_components(self.graph, connection="strong")
        if number == 1:
            return np.arange(len(self.batches))
        return np.flatnonzero(np.bincount(pieces)[pieces] >= 3 * self.k)

    @property
    def n_usable(self) -> int:
        return len(self.usable)

    @property
    def is_usable(self) -> bool:
        return self.n_usable / len(self.batches) >= USABLE_SHARE

    def accepted(self, components: int) -> Values:
        """Return 1 for each cell whose neighbourhood is accepted, 0 for a rejected one, (n,).

        NaN for cells of pieces that are too small to be tested; all rejected where those are many,
        or where the diffusion map does not exist.
        """
        rows = self.usable
        if not self.is_usable:
            return np.full(len(self.batches), REJECTED)
        try:
            points = diffusion_map(self.graph[rows][:, rows], components)
        except (ValueError, ArpackError):
            return np.full(len(self.batches), REJECTED)
        found = np.full(len(self.batches), np.nan)
        neighbours = find_neighbours(points, self.k + 1, exact=True).indices
        found[rows] = _not_rejected(neighbours, self.batches[rows])
        return found


def diffusion_map(graph: csr_matrix, components: int) -> NDArray[np.float32]:
    """Return diffusion components of a symmetric graph, (n_cells, components), all scales together.

    Density is divided out (Coifman et al. 2005); each eigenvector of the transitions is multiplied
    by e / (1 - e), the sum over all numbers of steps (Haghverdi et al. 2016). Raises ValueError
    where the decomposition is not finite.
    """
    density = diags(1 / np.asarray(graph.sum(axis=0)).ravel())
    kernel = density @ graph @ density
    scale = diags(1 / np.sqrt(np.asarray(kernel.sum(axis=0)).ravel()))
    transitions = (scale @ kernel @ scale).astype(np.float64)
    start = np.random.RandomState(0).uniform(size=transitions.shape[0])
    values, vectors = eigsh(transitions, k=components, which="LM", v0=start)
    values = values.astype(np.float32) + np.float32(1e-8)
    steps = np.array([value if value == 1 else value / (1 - value) for value in values])
    points = vectors.astype(np.float32) * steps.astype(np.float32)
    if not np.isfinite(points).all():
        raise ValueError("the diffusion map is not finite")
    return np.ascontiguousarray(points[:, ::-1])


def _not_rejected(neighbours: NDArray[np.int64], batches: Codes) -> NDArray[np.bool_]:
    """Return True for each neighbourhood that a chi-squared test at :data:`ALPHA` accepts."""
    _, codes = np.unique(batches, return_inverse=True)
    n_batches = int(codes.max()) + 1
    if n_batches == 1:
        return np.zeros(len(codes), dtype=bool)
    expected = np.bincount(codes) / len(codes) * neighbours.shape[1]
    found = np.stack([(codes[neighbours] == batch).sum(axis=1) for batch in range(n_batches)], 1)
    statistic = (np.square(found - expected) / expected).sum(axis=1)
    return np.asarray(chi2.sf(statistic, n_batches - 1) >= ALPHA)


METRICS = (
    Metric(
        "kbet_per_label",
        "kBET per label",
        Group.BATCH,
        "The share of neighbourhoods within a cell type in which the batches have the shares that "
        "they have in the cell type; mean over cell types of enough cells. 1: mixed everywhere.",
        f"Büttner et al. 2019, doi:10.1038/s41592-018-0254-1; {LUECKEN}; {SCIB_METRICS}",
        (Need.CELLS, Need.LABELS, Need.BATCH, Need.BATCHES_WITHIN_LABELS, Need.TESTABLE_LABELS),
        kbet_per_label,
        by_neighbours=True,
    ),
)
