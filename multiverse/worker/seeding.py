"""One seed for every random generator that a model may use.

``PYTHONHASHSEED`` is read when Python starts and can't be changed from inside; a model whose
result depends on the order of a set of strings must sort it, or its image must set the variable.
"""

from __future__ import annotations

import random
import sys


def seed_everything(seed: int) -> None:
    """Seed random, numpy's global generator, and torch and cupy where they are loaded.

    ``seed`` is 0 ≤ seed < 2³²; 0 is a seed like any other. Nothing heavy is imported for it.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)  # every device
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        cupy.random.seed(seed)
