"""Hashes of everything that determines the figures of a training: equal hashes, equal figures.

What is left out changes them by rounding only, and the tolerance of the tests covers that: the
processor, the number of threads, and the patch level of Python and of the system in the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy
import scipy
import sklearn

from benchmarks.models import agreement
from benchmarks.models.cases import Case
from benchmarks.models.training import Training
from multiverse.images.sdk import PACKAGE, content_hash, sources_hash
from multiverse.plan import expand
from multiverse.registry.models import find_models
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.registration import register
from multiverse.specs.dataset import DatasetRecord

#: How an image is made of a model's sources. The shared stacks need no hash of their own: a model
#: is built on a stack only if its own lock has the same packages in the same versions.
BUILD = (
    "images/install-environment.sh",
    "images/settle.py",
    "images/base/Dockerfile",
    "images/stack/Dockerfile",
)
#: How an embedding becomes figures.
JUDGE = (Path(agreement.__file__),)


@dataclass(frozen=True)
class Evidence:
    """SHA-256 (hex) of each thing that the figures follow from.

    ``sources``: the SDK, the model, its locks and its Dockerfile; ``build``: how an image is made
    of them; ``dataset``: what the model sees, as registered; ``job``: its settings, seed and
    device; ``labels``: the labels and batches that the embedding is judged by; ``judge``: the
    program that judges, with the versions of its libraries.
    """

    sources: str
    build: str
    dataset: str
    job: str
    labels: str
    judge: str

    def plain(self) -> dict[str, str]:
        return asdict(self)

    def differences(self, recorded: Evidence | None) -> list[str]:
        """Return the names of what differs from recorded evidence; all if none was recorded."""
        before = {} if recorded is None else recorded.plain()
        return [name for name, value in self.plain().items() if before.get(name) != value]

    @classmethod
    def of_plain(cls, values: Mapping[str, str] | None) -> Evidence | None:
        """Read from a record; None where it has no evidence or lacks a hash."""
        return cls(**values) if values and values.keys() == cls.__annotations__.keys() else None


def evidence(training: Training) -> Evidence:
    """Return the hashes of a training as it would be made and judged now; nothing is trained."""
    dataset = _registered(training)
    models = find_models([training.model])
    (job,) = expand(training.source(), [dataset], models).jobs
    return Evidence(
        sources=sources_hash(models[training.model]),
        build=content_hash({PurePosixPath(name): PACKAGE / name for name in BUILD}),
        dataset=dataset.fingerprint,
        job=_hash(replace(job.identity(""), dataset="").plain()),
        labels=_labels_hash(training.case),
        judge=judge_hash(JUDGE),
    )


def judge_hash(files: Sequence[Path]) -> str:
    """Return the hash of the files that judge, and of the versions that they compute with."""
    sources = content_hash({PurePosixPath(path.name): path for path in files})
    return _hash([sources, numpy.__version__, scipy.__version__, sklearn.__version__])


def _registered(training: Training) -> DatasetRecord:
    """Register the dataset with the options that :meth:`Case.entry` asks for."""
    entry = training.case.entry(batch=training.batch)
    options = RegistrationOptions(
        batch_key=entry.get("batch_key"), label_key=entry["label_key"], replace=True
    )
    return register(Path(entry["path"]), slug=entry["slug"], options=options).record


def _labels_hash(case: Case) -> str:
    labels, batch = case.labels()
    return _hash([labels.tolist(), None if batch is None else batch.tolist()])


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
