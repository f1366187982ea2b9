"""The command line's grammar. Imports nothing but argparse, so that help is instant."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from multiverse import __version__

DESCRIPTION = "Which multimodal integration model should I trust for my data?"
EPILOG = """\
A first look:         multiverse demo --run
What is in a file:    multiverse inspect data.h5mu
Your own data:        multiverse run --models pca mofa --input data.h5mu --output results/
A whole benchmark:    multiverse run benchmark.yaml

exit codes: 0 all well · 1 a job failed · 2 wrong request · 3 dataset · 4 engine · 5 results folder
            5 as well: what nobody foresaw (a log is named) · 130 stopped on request
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of every command with its arguments."""
    parser = argparse.ArgumentParser(
        prog="multiverse",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multiverse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run(commands)
    _evaluate(commands)
    _inspect(commands)
    _register(commands)
    _demo(commands)
    _build(commands)
    _new_model(commands)
    _check(commands)
    _lists(commands)
    _track(commands)
    _report(commands)
    _care(commands)
    return parser


class _Kept(argparse._StoreAction):
    """Stores what an option is given, and never drops what it was given before.

    A list goes on where the option is repeated; one value can't be two.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before: dict[str, Any] = vars(namespace).setdefault("given", {})
        if self.option_strings and self.dest in before:
            first = before[self.dest]
            if isinstance(values, list):
                values = [*first, *values]
            elif values != first:
                raise argparse.ArgumentError(
                    self, f"is given twice, as {first} and as {values}: it takes one value"
                )
        before[self.dest] = values
        super().__call__(parser, namespace, values, option_string)


def _command(commands: Any, name: str, summary: str, **more: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", **more
    )
    for action in (None, "store"):  # of all options that say no other
        parser.register("action", action, _Kept)
    return parser


def _run(commands: Any) -> None:
    parser = _command(commands, "run", "run models on datasets")
    parser.add_argument("benchmark", nargs="?", type=Path, help="a benchmark.yaml (the full form)")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="models to run (short form)")
    source = parser.add_mutually_exclusive_group()
    _input(source)
    source.add_argument("--dataset", metavar="SLUG", help="a registered dataset")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="results (default: results)")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="MODEL.NAME=VALUE",
        help="a parameter, such as mofa.n_factors=20",
    )
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="one run each")
    parser.add_argument("--device", metavar="DEVICE", help="cpu (default), cuda or cuda:N")
    _registration(parser)
    _running(parser)


def _running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to run")
    group.add_argument(
        "--engine", help="auto (default, or MULTIVERSE_ENGINE), docker, local or a registered one"
    )
    group.add_argument("--job-cpus", type=float, metavar="N", help="CPU cores of one job")
    group.add_argument("--job-memory", metavar="AMOUNT", help="memory of one job, such as 8GiB")
    group.add_argument("--time-limit", metavar="TIME", help="of one job, such as 2h")
    group.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="repeat a job that ran out of memory, was killed or lost its engine (default: 2)",
    )
    group.add_argument(
        "--tag", action="append", default=[], metavar="NAME=VALUE", help="recorded with every run"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="say what would be run and why, and change nothing"
    )
    again = group.add_mutually_exclusive_group()
    again.add_argument("--rerun", action="store_true", help="run again what is complete")
    again.add_argument(
        "--only-failed", action="store_true", help="run only jobs whose last attempt failed"
    )
    group.add_argument("--no-build", action="store_true", help="never build a missing image")
    _models_dir(group)
    _following(parser)
    show = group.add_mutually_exclusive_group()
    show.add_argument("-v", "--verbose", action="store_true", help="show the models' own logs")
    show.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    _machine(parser)


def _following(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what follows the runs")
    group.add_argument("--no-evaluate", action="store_true", help="don't score what is new")
    group.add_argument("--no-report", action="store_true", help="don't write report.html")
    copies = group.add_mutually_exclusive_group()
    copies.add_argument(
        "--mlflow",
        nargs="?",
        const="",
        metavar="URI",
        help="copy finished runs to MLflow there (default: MLFLOW_TRACKING_URI, or a file in the "
        "results folder where MLflow is installed)",
    )
    copies.add_argument("--no-mlflow", action="store_true", help="copy nothing to MLflow")


def _evaluate(commands: Any) -> None:
    parser = _command(commands, "evaluate", "score the complete runs of a results folder")
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    parser.add_argument(
        "--datasets",
        nargs="+",
        default=[],
        metavar="SLUG",
        help="only these (default: all)",
    )
    parser.add_argument("--again", action="store_true", help="score again what has scores")
    parser.add_argument(
        "--engine", help="auto (default, or MULTIVERSE_ENGINE), docker, local or a registered one"
    )
    parser.add_argument("--no-build", action="store_true", help="never build a missing image")
    parser.add_argument("--no-report", action="store_true", help="don't write report.html")
    parser.add_argument(
        "--max-cells",
        type=int,
        metavar="N",
        help="past it, quadratic metrics see a subsample of as many cells (default: as before, or "
        "50000)",
    )
    parser.add_argument(
        "--replicates",
        type=int,
        metavar="N",
        help="random halves of the cells behind intervals; 0 for none (default: as before, or 20)",
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        default=[],
        metavar="NAME=NUMBER",
        help="of bio and batch in totals, and of metrics in their group: bio=0.5 leiden_ari=0 "
        "(default: as before, or bio=0.6 batch=0.4, every metric 1); nothing is scored again",
    )
    parser.add_argument("--cpus", type=float, metavar="N", help="CPU cores (default: 2)")
    parser.add_argument("--memory", metavar="AMOUNT", help="at most (default: 8GiB, or what fits)")
    parser.add_argument(
        "--time-limit",
        default="1d",
        metavar="TIME",
        help="of one start of the evaluator (default: 1d)",
    )
    _json(parser)


def _machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how much of the machine all jobs may use together")
    group.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="at a time (default: as many as have room)"
    )
    group.add_argument("--cpus", type=float, metavar="N", help="CPU cores (default: all)")
    group.add_argument("--memory", metavar="AMOUNT", help="such as 64GiB (default: 90 %% or more)")
    group.add_argument("--gpus", metavar="IDS", help="such as 0,1, or none (default: all)")
    group.add_argument(
        "--jobs-per-gpu", type=int, default=1, metavar="N", help="that share one (default: 1)"
    )
    group.add_argument(
        "--min-free",
        default="1GiB",
        metavar="AMOUNT",
        help="start nothing when the disk of the results has less (default: 1GiB)",
    )


def _models_dir(parser: Any) -> None:
    parser.add_argument(
        "--models-dir",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a model's folder, or a folder of them, beside the built-in ones",
    )


def _input(parser: Any) -> None:
    parser.add_argument(
        "--input",
        nargs="+",
        default=[],
        metavar="FILE",
        help="a file, store or matrix folder, or one a modality: rna=a.h5ad adt=b.h5ad",
    )


def _registration(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to read the file")
    group.add_argument("--batch-key", metavar="COLUMN", help="obs column with the batch")
    group.add_argument(
        "--label-key", metavar="COLUMN", help="obs column with the cell types; models never see it"
    )
    group.add_argument(
        "--unlabelled", action="append", default=[], metavar="VALUE", help="a label for 'unknown'"
    )
    group.add_argument(
        "--modality",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="which modality is rna, atac or adt, such as prot=adt",
    )
    group.add_argument(
        "--layer",
        nargs="+",
        default=[],
        metavar="NAME",
        help="layer with the raw counts, or one for each modality: rna=counts_RNA adt=counts_ADT",
    )
    group.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="MODALITY",
        help="leave this modality out",
    )
    group.add_argument(
        "--exclude",
        nargs="+",
        default=[],
        metavar="MODALITY=PATTERN",
        help="leave out the features that match, such as 'adt=HTO*'",
    )
    group.add_argument(
        "--round",
        action="append",
        nargs="?",
        const="all",
        default=[],
        choices=("rna", "atac", "adt", "all"),
        metavar="MODALITY",
        help="round counts that a tool made fractional, of rna, atac, adt or all (the default)",
    )
    unpaired = group.add_mutually_exclusive_group()
    unpaired.add_argument(
        "--intersect", action="store_true", help="keep only cells that all modalities have"
    )
    unpaired.add_argument(
        "--mosaic",
        action="store_true",
        help="keep cells that lack a modality too, for models that can take them",
    )
    group.add_argument(
        "--match-barcodes",
        action="store_true",
        help="join cells whose names agree but for a suffix, a prefix or their spelling",
    )


def _inspect(commands: Any) -> None:
    parser = _command(
        commands,
        "inspect",
        "say what is in a file, which models can run on it, and what they need",
        epilog="Nothing is registered, run or written.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="an .h5ad or .h5mu file, or a registered dataset; several are looked at in turn",
    )
    _registration(parser)
    _models_dir(parser)
    _json(parser)


def _register(commands: Any) -> None:
    parser = _command(commands, "register", "make a dataset canonical, once and for all")
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a file, store or matrix folder, or one a modality: rna=a.h5ad adt=b.h5ad",
    )
    _input(parser)
    parser.add_argument("--slug", help="its name from now on (default: from the file's name)")
    _registration(parser)
    parser.add_argument(
        "--replace", action="store_true", help="let the slug stand for this new content"
    )


def _demo(commands: Any) -> None:
    parser = _command(commands, "demo", "make two small datasets without any download")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo-data"))
    parser.add_argument(
        "--cells", type=int, default=500, metavar="N", help="cells of the simulation"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the simulation")
    parser.add_argument("--run", action="store_true", help="run every model on them as well")
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="FOLDER")
    _running(parser)


def _build(commands: Any) -> None:
    parser = _command(commands, "build", "build the images of models")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--all", action="store_true", help="every model there is")
    parser.add_argument(
        "--base",
        default="auto",
        choices=["auto", "python", "debian", "micromamba"],
        help="what the images are built on (default: the best one reachable)",
    )
    parser.add_argument(
        "--accelerator",
        default="cpu",
        choices=["cpu", "cuda"],
        help="cuda: the variants for NVIDIA's GPUs, of the models that have one (default: cpu)",
    )
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    _models_dir(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the build's output")


def _new_model(commands: Any) -> None:
    parser = _command(commands, "new-model", "write the folder of a new model, ready to run")
    parser.add_argument("name", metavar="NAME", help="its slug, such as my_model")
    parser.add_argument(
        "--into", type=Path, default=Path(), metavar="FOLDER", help="where the folder is made"
    )


def _check(commands: Any) -> None:
    parser = _command(commands, "check", "check a model on tiny and on hostile data")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="its name, or its folder")
    parser.add_argument("--image", metavar="IMAGE", help="an image instead, as it is")
    parser.add_argument(
        "--model-yaml", type=Path, metavar="FILE", help="describes the image (modalities, settings)"
    )
    parser.add_argument("--quick", action="store_true", help="only the essential checks")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CHECK", help="only this check, by its name"
    )
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for every run of the checks, such as max_epochs=5",
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="keep the runs there")
    parser.add_argument(
        "--engine", help="auto (default, or MULTIVERSE_ENGINE), docker, local or a registered one"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--time-limit", default="10min", metavar="TIME", help="of one run")
    parser.add_argument("--no-build", action="store_true", help="never build a missing image")
    _models_dir(parser)
    _json(parser)


def _lists(commands: Any) -> None:
    datasets = _command(commands, "datasets", "list the registered datasets")
    _json(datasets)
    models = _command(commands, "models", "list the models, or explain one")
    models.add_argument("model", nargs="?", help="explain this one, with its parameters")
    _models_dir(models)
    _json(models)
    runs = _command(commands, "runs", "list the runs of a results folder")
    runs.add_argument("results", type=Path, nargs="?", default=Path("results"))
    _json(runs)
    status = _command(
        commands,
        "status",
        "say how far the jobs of a results folder are",
        epilog="exit codes: 0 · 1 if a job has failed · 5 if there is no such folder",
    )
    status.add_argument("results", type=Path, nargs="?", default=Path("results"))
    status.add_argument("--watch", action="store_true", help="go on until nothing runs any more")
    _json(status)
    show = _command(commands, "show", "explain one run")
    show.add_argument("run", help="its id (the first digits will do) or its folder")
    show.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")
    _json(show)
    schema = _command(commands, "schema", "print the JSON Schema of a file")
    schema.add_argument("file", choices=["benchmark", "events", "job_spec", "model"])


def _track(commands: Any) -> None:
    parser = _command(
        commands,
        "track",
        "copy finished runs and their scores to MLflow, each once",
        epilog="exit codes: 0 if MLflow has every finished run · 1 if some are missing",
    )
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    parser.add_argument(
        "--uri",
        help="of MLflow (default: MLFLOW_TRACKING_URI, or a local store in the results folder)",
    )
    parser.add_argument("--experiment", metavar="NAME", help="instead of the recorded one")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--max-embedding",
        metavar="AMOUNT",
        help="leave out embeddings of more than this (default: 100MiB)",
    )
    which.add_argument("--no-embeddings", action="store_true", help="leave out all embeddings")
    _json(parser)


def _report(commands: Any) -> None:
    report = _command(
        commands, "report", "write the report, the table of scores and the research object"
    )
    report.add_argument("results", type=Path, nargs="?", default=Path("results"))
    report.add_argument("--figures", action="store_true", help="also figures/, as SVG and PDF")
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="the page (default: RESULTS/report.html)"
    )
    _json(report)
    compare = _command(
        commands, "compare", "say what changed between two results folders, and whether it matters"
    )
    compare.add_argument("before", type=Path, metavar="A", help="the results folder to start from")
    compare.add_argument("after", type=Path, metavar="B", help="the one that is held against it")
    compare.add_argument("--all", action="store_true", help="every metric, also what stayed equal")
    _json(compare)


def _care(commands: Any) -> None:
    verify = _command(commands, "verify", "recompute the checksums of published runs")
    verify.add_argument("results", type=Path, nargs="?", default=Path("results"))
    _json(verify)
    clean = _command(commands, "clean", "list what can go, and remove it with --yes")
    clean.add_argument("results", type=Path, nargs="?", default=Path("results"))
    clean.add_argument("--yes", action="store_true", help="remove what is listed")
    which = clean.add_argument_group("only these (default: all four)")
    which.add_argument(
        "--attempts", action="store_true", help="that did not complete, and what they left"
    )
    which.add_argument("--images", action="store_true", help="of other versions or earlier builds")
    which.add_argument(
        "--environments", action="store_true", help="of the engine local that no model uses"
    )
    which.add_argument("--datasets", action="store_true", help="replaced versions that no run used")
    clean.add_argument(
        "--all-attempts",
        action="store_true",
        help="also those that spare a re-run: not applicable, or still to be checked",
    )
    clean.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="RUN_ID",
        help="only what belongs to these runs",
    )
    clean.add_argument(
        "--published", action="store_true", help="the published runs of --runs as well"
    )
    _models_dir(clean)
    _json(clean)
    doctor = _command(commands, "doctor", "check this machine: engines, disk, memory, GPU, clock")
    doctor.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")
    _json(doctor)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")
