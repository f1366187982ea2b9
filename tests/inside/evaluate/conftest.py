"""The libraries are loaded as the evaluator loads them: what they compile is kept."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from multiverse.evaluation.libraries import load

_COMPILED = Path(tempfile.mkdtemp(prefix="compiled-"))
atexit.register(shutil.rmtree, _COMPILED, ignore_errors=True)
# Before any test module imports scib-metrics: umap-learn compiles as it is imported.
load(_COMPILED)
