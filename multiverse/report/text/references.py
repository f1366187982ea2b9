"""The papers that a results folder owes: of its models, its metrics, its file formats."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from multiverse.errors import MultiverseError
from multiverse.registry.models import model_folders
from multiverse.runs.results import Results
from multiverse.specs.model import Citation, ModelSpec


@dataclass(frozen=True)
class Reference:
    """A paper, or a piece of software without one (no ``journal``).

    ``authors``: ``Gayoso A, Yosef N``. ``journal``: ``Nature Methods 18:272-282``.
    """

    authors: str
    title: str
    journal: str = ""
    year: int | None = None
    doi: str = ""
    url: str = ""
    note: str = ""

    @property
    def surnames(self) -> list[str]:
        return [author.rsplit(" ", 1)[0] for author in self.authors.split(", ")]

    @property
    def short(self) -> str:
        """``Gayoso et al. 2021``."""
        first, *others = self.surnames
        names = first if not others else f"{first} et al."
        if len(others) == 1:
            names = f"{first} and {others[0]}"
        return names if self.year is None else f"{names} {self.year}"


SCIB = Reference(
    authors="Luecken MD, Büttner M, Chaichoompu K, Danese A, Interlandi M, Mueller MF, "
    "Strobl DC, Zappia L, Dugas M, Colomé-Tatché M, Theis FJ",
    title="Benchmarking atlas-level data integration in single-cell genomics",
    journal="Nature Methods 19:41-50",
    year=2022,
    doi="10.1038/s41592-021-01336-8",
)
BRAS = Reference(
    authors="Rautenstrauch P, Ohler U",
    title="Shortcomings of silhouette in single-cell integration benchmarking",
    journal="Nature Biotechnology",
    year=2025,
    doi="10.1038/s41587-025-02743-4",
)
KBET = Reference(
    authors="Büttner M, Miao Z, Wolf FA, Teichmann SA, Theis FJ",
    title="A test metric for assessing single-cell RNA-seq batch correction",
    journal="Nature Methods 16:43-49",
    year=2019,
    doi="10.1038/s41592-018-0254-1",
)
LISI = Reference(
    authors="Korsunsky I, Millard N, Fan J, Slowikowski K, Zhang F, Wei K, Baglaenko Y, "
    "Brenner M, Loh PR, Raychaudhuri S",
    title="Fast, sensitive and accurate integration of single-cell data with Harmony",
    journal="Nature Methods 16:1289-1296",
    year=2019,
    doi="10.1038/s41592-019-0619-0",
)
MUDATA = Reference(
    authors="Bredikhin D, Kats I, Stegle O",
    title="MUON: multimodal omics analysis framework",
    journal="Genome Biology 23:42",
    year=2022,
    doi="10.1186/s13059-021-02577-8",
)
ANNDATA = Reference(
    authors="Virshup I, Rybakov S, Theis FJ, Angerer P, Wolf FA",
    title="anndata: Access and store annotated data matrices",
    journal="Journal of Open Source Software 9:4371",
    year=2024,
    doi="10.21105/joss.04371",
)
#: What the name of a metric holds → the paper that defines it.
OF_METRICS = {"bras": BRAS, "kbet": KBET, "lisi": LISI}


def scib_metrics(versions: Iterable[str]) -> Reference:
    """Return the package that computes the metrics. It has no paper of its own."""
    return Reference(
        authors="scib-metrics developers",
        title="scib-metrics: Accelerated and Python-only metrics for benchmarking single-cell "
        "integration outputs",
        url="https://github.com/YosefLab/scib-metrics",
        note=f"version {', '.join(versions)}",
    )


@dataclass(frozen=True)
class CitedModel:
    """A model of the folder: what it is called, and its paper, where either is known.

    ``spec``: the model as it is found here today.
    """

    name: str
    title: str
    reference: Reference | None
    spec: ModelSpec | None = field(default=None, repr=False, compare=False)


def cited_models(results: Results) -> list[CitedModel]:
    """Return every model that completed at least once, by name.

    One of the folder that is another model than the one found here by that name (a built-in one
    there, not here, or the other way round) has no title and no paper that are known.
    """
    origins: dict[str, set[bool | None]] = {}
    for run in results.complete:
        origins.setdefault(run.record.model, set()).add(run.record.built_in)
    return [_cited(name, origins[name]) for name in sorted(origins)]


def references(results: Results) -> list[Reference]:
    """Return the papers that the folder owes, each once: models, then metrics, then formats."""
    found = [model.reference for model in cited_models(results) if model.reference is not None]
    evaluations = [item.evaluation for item in results.evaluations]
    if evaluations:
        versions = sorted({evaluation.evaluator.scib_metrics for evaluation in evaluations})
        found += [SCIB, scib_metrics(versions)]
        names = " ".join(metric.name for item in evaluations for metric in item.metrics)
        found += [reference for word, reference in OF_METRICS.items() if word in names]
    if results.runs:
        found += [MUDATA, ANNDATA]
    return list(dict.fromkeys(found))


def _model_spec(name: str) -> ModelSpec | None:
    """Return the model as it is found here today; None where it is not, or can't be read."""
    try:
        folder = model_folders().get(name)
        return None if folder is None else ModelSpec.load(folder)
    except MultiverseError:  # of no use here, and named wherever it is to be run
        return None


def _cited(name: str, origins: Collection[bool | None]) -> CitedModel:
    spec = _model_spec(name)
    if spec is None or (not spec.built_in) in origins:
        return CitedModel(name, name, None)
    citation = spec.yaml.citation
    return CitedModel(
        name, spec.yaml.title, None if citation is None else _reference(citation), spec
    )


def _reference(citation: Citation) -> Reference:
    return Reference(
        authors=citation.authors,
        title=citation.title,
        journal=citation.journal,
        year=citation.year,
        doi=citation.doi,
    )
