"""How long `multiverse runs` takes on a results folder with 10,000 runs."""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from measure import MULTIVERSE, clean_environment, take_turns, timed
from report import Target, conclude

from multiverse.contract.job_spec import ImageReference
from multiverse.facts import Cause, RunState, Usage
from multiverse.runs.record import EngineFacts, RunRecord

RUNS = 10_000
FAILED = 100
DATASETS = tuple(f"dataset-{number}" for number in range(10))
MODELS = ("pca", "mofa", "multivi", "totalvi", "mowgli")
#: The same files, read and parsed by a program of one line: what no listing can be faster than.
PLAIN = (
    "import json, pathlib, sys\n"
    "paths = pathlib.Path(sys.argv[1]).rglob('run.json')\n"
    "print(len([json.loads(path.read_bytes()) for path in paths]))"
)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def record(number: int) -> RunRecord:
    """One run of a sweep: its identity, its settings, its checksums, its warnings."""
    dataset, model = DATASETS[number % 10], MODELS[number // 10 % 5]
    run_id = digest(f"run {number}")[:16]
    parameters = {f"parameter_{index}": index * 0.125 for index in range(18)}
    parameters["n_latent"] = number // 50
    preprocessing = {f"step_{index}": "logarithm of counts per 10,000" for index in range(6)}
    failed = number >= RUNS - FAILED
    names = ("container.log", "embeddings.h5", "job_spec.json", "metrics.json", "metrics.jsonl",
             "run.log", "umap.png")  # fmt: skip
    return RunRecord(
        run_id=run_id,
        attempt=1,
        state=RunState.FAILED if failed else RunState.COMPLETE,
        cause=Cause.OUT_OF_MEMORY if failed else None,
        message="needed more than its 8.0 GiB of memory" if failed else "",
        warnings=("the posterior of 3 of 20 dimensions is collapsed: they say nothing of a cell",),
        exit_code=137 if failed else 0,
        dataset=dataset,
        dataset_fingerprint=digest(dataset),
        n_obs=9_876,
        model=model,
        model_version="1.0.0",
        seed=number % 5,
        device="cpu",
        parameters=parameters,
        changed={"n_latent": number // 50},
        preprocessing=preprocessing,
        modalities=("rna", "adt"),
        identity={
            "dataset": digest(dataset),
            "model": model,
            "model_version": "1.0.0",
            "runtime": "sha256:" + digest(model),
            "parameters": parameters,
            "preprocessing": preprocessing,
            "seed": number % 5,
            "device_kind": "cpu",
            "contract_version": "1",
            "labels": None,
        },
        image=ImageReference(tag=f"multiverse-{model}:1.0.0", digest="sha256:" + digest(model)),
        environment_lock=None,
        engine=EngineFacts(name="docker", version="28.0.1", isolation="container, no network"),
        limits={"cpus": 4.0, "memory": 8 * 1024**3, "time_limit": 7200, "disk": 20 * 1024**3},
        threads=4,
        usage=Usage(wall_seconds=812.25, cpu_seconds=3011.5, peak_memory_bytes=3 * 1024**3),
        n_dims=None if failed else 20,
        started_at="2026-01-01T00:00:00+00:00",
        finished_at="2026-01-01T00:13:32+00:00",
        experiment="sweep",
        tags={"purpose": "a sweep of the latent dimensions", "lab": "any"},
        host={"platform": "Linux", "machine": "x86_64", "processor": "any", "cpus": 64},
        versions={"multiverse": "1.0.0", "python": "3.11.7"},
        checksums={name: "sha256:" + digest(f"{run_id} {name}") for name in names},
    )


def write_runs(results: Path) -> int:
    """A results folder as a sweep leaves it; returns the size of a record in bytes."""
    size = 0
    for number in range(RUNS):
        made = record(number)
        published = results / made.dataset / made.model / made.run_id
        complete = made.state is RunState.COMPLETE
        folder = published if complete else results / "attempts" / made.run_id / "1"
        folder.mkdir(parents=True)
        text = made.to_json()
        (folder / "run.json").write_text(text, encoding="utf-8")
        size = max(size, len(text))
    return size


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """What the command costs on one core, user and system: the wall time of a quiet machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    timed(command, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory(prefix="multiverse-benchmark-") as folder:
        environment = clean_environment(Path(folder, "home"))
        results = Path(folder, "results")
        size = write_runs(results)
        taken = take_turns(
            {
                "multiverse runs": lambda: timed([MULTIVERSE, "runs", str(results)], environment),
                "json.loads": lambda: timed([sys.executable, "-c", PLAIN, str(results)]),
                "multiverse runs --json": lambda: timed(
                    [MULTIVERSE, "runs", str(results), "--json"], environment
                ),
                "multiverse status": lambda: timed(
                    ["sh", "-c", f"{MULTIVERSE} status {results}; test $? -eq 1"], environment
                ),
            },
            repetitions,
        )
        command = [MULTIVERSE, "runs", str(results)]
        cost = statistics.median(cpu_seconds(command, environment) for _ in range(repetitions))
    ratio = taken["multiverse runs"].over(taken["json.loads"])
    targets = [
        Target("multiverse runs / json.loads of the same files", ratio.median, 3),
        Target("multiverse runs, 10,000 runs, CPU time", cost, 2, "s"),
    ]
    details = {
        name: {"median_s": round(case.median, 4), "min_s": round(case.minimum, 4)}
        for name, case in taken.items()
    }
    return conclude("list_runs", targets, {"record_bytes": size, **details})


if __name__ == "__main__":
    sys.exit(main())
