"""The things a research object speaks of, each made once: files, software, images, data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity  # type: ignore[import-untyped]
from rocrate.model.file import File  # type: ignore[import-untyped]
from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]

from multiverse.contract.folders import is_file, names_in, status
from multiverse.contract.job_spec import ImageReference
from multiverse.report.text.references import CitedModel, Reference, cited_models
from multiverse.report.words import counted, plain
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import EvaluationRecord, Evaluator
from multiverse.runs.writing import SHA256, checksum

DOCKER_IMAGE = "https://w3id.org/ro/terms/workflow-run#DockerImage"
SCIB_METRICS = "https://github.com/YosefLab/scib-metrics"
FORMATS = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".h5": "application/x-hdf5",
    ".h5ad": "application/x-hdf5",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".log": "text/plain",
    ".csv": "text/csv",
    ".yaml": "application/yaml",
    ".html": "text/html",
}


def _size(path: Path) -> int:
    """Return the bytes of a file; 0 for one that has gone meanwhile."""
    found = status(path)
    return 0 if found is None else found.st_size


class Entities:
    """Makes the entities of one crate. What was made before is given again."""

    def __init__(self, crate: ROCrate, results: Results) -> None:
        self._crate = crate
        self._results = results
        self._models: dict[str, CitedModel] = {model.name: model for model in cited_models(results)}

    def file(self, path: Path, known: str | None = None) -> File:
        """Return a file of the folder. ``known``: its checksum ``sha256:<hex>``, else computed."""
        name = self._results.paths.relative(path)
        found = self._crate.dereference(quote(name))
        if found is not None:
            return found
        kind = FORMATS.get(path.suffix)
        properties = {
            "name": plain(path.name),
            "contentSize": str(_size(path)),
            "sha256": (known or checksum(path)).removeprefix(SHA256),
            **({"encodingFormat": kind} if kind else {}),
        }
        return self._crate.add(File(self._crate, dest_path=name, properties=properties))

    def run_files(self, run: Run) -> list[File]:
        """Return the files of a published run; attempts are kept until they are cleaned away."""
        if not run.complete:
            return []
        paths = map(run.folder.joinpath, names_in(run.folder))
        sums = run.record.checksums
        return [self.file(path, sums.get(path.name)) for path in paths if is_file(path)]

    def evaluation_files(self, dataset: str) -> list[File]:
        results = self._results.paths
        scores = results.scores(dataset)
        first = results.embeddings(dataset)
        layouts = [
            scores.parent / name
            for name in names_in(scores.parent)
            if name.startswith(first.stem) and name.endswith(first.suffix)
        ]
        return [self.file(path) for path in (scores, *layouts) if is_file(path)]

    def dataset(self, name: str, fingerprint: str, cells: int) -> ContextEntity:
        """Return registered data: not in the folder; the fingerprint says which they are."""
        return self._context(
            f"#dataset-{name}-{fingerprint[:16]}",
            {
                "@type": "CreativeWork",
                "name": plain(name, 64),
                "description": f"registered dataset of {counted(cells, 'cell')}",
                "identifier": plain(fingerprint, 64),
            },
        )

    def model(self, record: RunRecord) -> ContextEntity:
        """Return a model as it was run: its version, and the digest of its image or lock."""
        cited = self._models.get(record.model)
        runtime = record.image.digest if record.image else record.environment_lock or ""
        properties: dict[str, Any] = {
            "@type": "SoftwareApplication",
            "name": plain(cited.title if cited else record.model),
            "softwareVersion": plain(record.model_version, 64),
            **({"identifier": plain(runtime)} if runtime else {}),
        }
        if cited and cited.reference:
            properties["citation"] = self._paper(cited.reference)
        short = runtime.removeprefix("sha256:")[:12]
        return self._context(f"#model-{record.model}-{record.model_version}-{short}", properties)

    def evaluator(self, evaluator: Evaluator, record: EvaluationRecord) -> ContextEntity:
        runtime = record.image.digest if record.image else record.environment_lock or ""
        library = self._context(
            f"#scib-metrics-{evaluator.scib_metrics}",
            {
                "@type": "SoftwareApplication",
                "name": "scib-metrics",
                "softwareVersion": plain(evaluator.scib_metrics, 64),
                "url": SCIB_METRICS,
            },
        )
        short = runtime.removeprefix("sha256:")[:12]
        return self._context(
            f"#evaluator-{evaluator.version}-{short}",
            {
                "@type": "SoftwareApplication",
                "name": "multiverse evaluator",
                "softwareVersion": plain(evaluator.version, 64),
                "softwareRequirements": library,
                **({"identifier": plain(runtime)} if runtime else {}),
            },
        )

    def image(self, image: ImageReference) -> ContextEntity:
        name, _, tag = image.tag.rpartition(":")
        return self._context(
            f"#image-{image.tag}-{image.digest.removeprefix('sha256:')[:12]}",
            {
                "@type": "ContainerImage",
                "additionalType": {"@id": DOCKER_IMAGE},
                "name": plain(name or image.tag),
                "tag": plain(tag),
                "sha256": plain(image.digest.removeprefix("sha256:")),
            },
        )

    def action(
        self,
        identifier: str,
        instrument: ContextEntity,
        objects: Sequence[ContextEntity | File],
        results: Sequence[File],
        properties: dict[str, Any],
    ) -> ContextEntity:
        return self._crate.add_action(
            instrument,
            _identifier(identifier),
            object=list(objects),
            result=list(results),
            properties=properties,
        )

    def _paper(self, reference: Reference) -> ContextEntity:
        identifier = f"https://doi.org/{quote(reference.doi, safe='/')}"
        names = {"@type": "ScholarlyArticle", "name": plain(reference.title)}
        return self._context(identifier if reference.doi else f"#{reference.short}", names)

    def _context(self, identifier: str, properties: dict[str, Any]) -> ContextEntity:
        identifier = _identifier(identifier)
        found = self._crate.dereference(identifier)
        if found is None:
            linked = {name: _link(value) for name, value in properties.items()}
            found = self._crate.add(ContextEntity(self._crate, identifier, properties=linked))
        return found


def _identifier(text: str) -> str:
    """Return the identifier of a thing that is no file: ``#...``, harmless whatever it holds."""
    return f"#{quote(plain(text[1:]), safe='')}" if text.startswith("#") else text


def _link(value: object) -> object:
    return {"@id": value.id} if isinstance(value, ContextEntity) else value
