"""How much memory a fit takes, so that a job that can't succeed ends before it starts."""

from __future__ import annotations

from multiverse.models.cobolt.counts import CellCounts
from multiverse.models.cobolt.embedding import CHUNK
from multiverse.models.cobolt.network import Network
from multiverse.models.cobolt.settings import Settings

#: Python with PyTorch, scikit-learn and what reads the data, before any data.
LIBRARIES = 400 * 1024**2
#: A parameter, its gradient and the two moments of Adam, in single precision.
BYTES_A_PARAMETER = 4 * 4
#: Arrays of cells × features alive at once in a step: counts, their logarithm, logits, their
#: terms and probabilities, and the gradients of these.
ARRAYS_A_STEP = 12
#: In the embedding: counts and their logarithm.
ARRAYS_A_CHUNK = 3


def needed_bytes(network: Network, data: CellCounts, settings: Settings) -> int:
    """Libraries, parameters, optimiser, the largest minibatch and the counts, in bytes.

    A lower bound: a job with less can't succeed.
    """
    parameters = sum(int(part.numel()) for part in network.parameters())
    features = sum(data.n_features)
    step = min(settings.batch_size + 1, data.n_cells) * ARRAYS_A_STEP
    chunk = min(CHUNK, data.n_cells) * ARRAYS_A_CHUNK
    sparse = sum(int(part.data.nbytes + part.indices.nbytes) for part in data.modalities)
    dense = 4 * features * max(step, chunk)
    return LIBRARIES + BYTES_A_PARAMETER * parameters + dense + sparse
