"""Every file and folder of a results folder, by the name of its part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from multiverse.runs.folder import AttemptFolder
from tests.hostile.honest import DATASET, Honest


@dataclass(frozen=True)
class Part:
    """A file or folder; ``path`` finds it in the honest folder. ``reader``: who needs it most."""

    name: str
    path: Callable[[Honest], Path]
    reader: str
    is_folder: bool = False

    @property
    def is_parsed(self) -> bool:
        """Whether some command reads what is in it."""
        return self.name.endswith((".json", ".jsonl", ".h5", ".h5ad", ".csv", ".db", ".yaml"))


def _top(name: str, reader: str, *, is_folder: bool = False) -> Part:
    return Part(name, lambda honest: honest.results.folder / name, reader, is_folder)


def _run(name: str, reader: str) -> Part:
    return Part(f"run/{name}", lambda honest: honest.published()[0].folder / name, reader)


def _failed(name: str, reader: str, *, is_folder: bool = False) -> Part:
    return Part(f"failed/{name}", lambda honest: honest.failed().folder / name, reader, is_folder)


def _begun(name: str, *, is_folder: bool = False) -> Part:
    return Part(f"begun/{name}", lambda honest: honest.begun().folder / name, "run", is_folder)


def _evaluation(honest: Honest) -> AttemptFolder:
    """The start of the evaluator whose command was killed."""
    return AttemptFolder(next(honest.results.evaluations.glob("*/*")))


PARTS = (
    *(_top(name, "run") for name in ("benchmark.yaml", "runs.csv", "plan.json")),
    *(_top(name, "run") for name in (".multiverse.lock", ".plan.json.abcdefgh", ".runs.csv.d")),
    *(_top(name, "report") for name in ("scores.csv", "report.html", "ro-crate-metadata.json")),
    *(_top(name, "track") for name in ("mlflow.db", ".mlflow.lock")),
    _top(".mlflow-artifacts", "track", is_folder=True),
    _top(".evaluation.lock", "evaluate"),
    _top(".evaluations", "evaluate", is_folder=True),
    Part("evaluation", lambda honest: _evaluation(honest).folder.parent, "evaluate", True),
    Part("evaluation/0", lambda honest: _evaluation(honest).folder, "evaluate", True),
    Part("evaluation/started.json", lambda honest: _evaluation(honest).started, "evaluate"),
    Part("evaluation/output", lambda honest: _evaluation(honest).output.folder, "evaluate", True),
    _top("figures", "figures", is_folder=True),
    _top(f"figures/cost-{DATASET}.pdf", "figures"),
    _top(f"figures/umap-{DATASET}.svg", "figures"),
    _top("attempts", "run", is_folder=True),
    _top("attempts/...lock", "run"),
    _top("attempts/2024", "run", is_folder=True),
    Part("failed", lambda honest: honest.failed().folder.parent, "run", True),
    Part("failed/1", lambda honest: honest.failed().folder, "run", True),
    _failed("run.json", "run"),
    _failed("container.log", "report"),
    _failed("output", "clean", is_folder=True),
    _failed("output/metrics.jsonl", "report"),
    Part("begun", lambda honest: honest.begun().folder.parent, "run", True),
    Part("begun/1", lambda honest: honest.begun().folder, "run", True),
    Part("begun.lock", lambda honest: honest.results.run_lock(_begun_id(honest)), "run"),
    *(_begun(name) for name in ("started.json", "live.json", "ended.json", "container.log")),
    *(_begun(name) for name in (".run.json.abcdefgh", "output/job_spec.json")),
    *(_begun(name, is_folder=True) for name in ("output", "staged", "replaced")),
    _top(DATASET, "evaluate", is_folder=True),
    _top(f"{DATASET}/scores.json", "report"),
    _top(f"{DATASET}/embeddings.h5ad", "report"),
    _top(f"{DATASET}/embeddings-12345678.h5ad", "report"),
    _top(f"{DATASET}/evaluation.log", "evaluate"),
    Part("model", lambda honest: honest.published()[0].folder.parent, "run", True),
    Part("run", lambda honest: honest.published()[0].folder, "run", True),
    _run("run.json", "run"),
    _run("embeddings.h5", "evaluate"),
    *(_run(name, "report") for name in ("metrics.json", "metrics.jsonl", "run.log", "umap.png")),
    *(_run(name, "track") for name in ("container.log", "job_spec.json")),
)


def _begun_id(honest: Honest) -> str:
    return honest.begun().folder.parent.name
