"""Plans a large benchmark in a process of its own, and writes what that took as JSON.

10 datasets × (pca, mofa) × 10 sets of parameters × 50 seeds: 10,000 jobs, each with its run id.
``plan_jobs.py FILE`` plans only and prints (started by ``startup.py``); ``plan_jobs.py --measure
COST run FILE --dry-run …`` is the whole command (started by ``dry_run.py``).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from multiverse.plan import expand
from multiverse.registry.models import find_models
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.dataset import DatasetRecord, ModalitySummary

N_DATASETS, N_SETS, N_SEEDS = 10, 10, 50


def main() -> int:
    if sys.argv[1] == "--measure":
        return measure(Path(sys.argv[2]), sys.argv[3:])
    return plan(Path(sys.argv[1]))


def measure(cost: Path, arguments: list[str]) -> int:
    """Run a command of multiverse in this process, and write what CPU and memory that took."""
    from multiverse.cli.main import main as command  # its imports are part of what is measured

    code = command(arguments)
    found = {"cpu_seconds": time.process_time(), "peak_mib": _peak_kib() / 1024}
    cost.write_text(json.dumps(found))
    return code


def plan(file: Path) -> int:
    """Read a benchmark file, expand it, and identify every job."""
    started = time.perf_counter()
    source = BenchmarkSource.load(file)
    models = find_models([entry.model for entry in source.benchmark.models])
    jobs = expand(source, [_record(number) for number in range(N_DATASETS)], models).jobs
    run_ids = {job.identity(f"sha256:{job.model.name}").run_id for job in jobs}
    seconds = time.perf_counter() - started
    assert len(run_ids) == len(jobs)
    found = {"jobs": len(jobs), "seconds": seconds, "peak_mib": _peak_kib() / 1024}
    print(json.dumps(found))
    return 0


def benchmark_yaml(n_seeds: int = N_SEEDS) -> str:
    """The benchmark as a user writes it (JSON is YAML): 200 jobs a seed."""
    sets = range(2, 2 + N_SETS)
    content = {
        "datasets": [f"dataset-{number}" for number in range(N_DATASETS)],
        "models": [
            {"model": "pca", "parameters": [{"n_components": number} for number in sets]},
            {"model": "mofa", "parameters": [{"n_factors": number} for number in sets]},
        ],
        "seeds": list(range(n_seeds)),
    }
    return json.dumps(content, indent=1)


def _record(number: int) -> DatasetRecord:
    rna = ModalitySummary(n_vars=20_000, n_values=10**7)
    return DatasetRecord(
        slug=f"dataset-{number}",
        fingerprint=f"sha256:{number:064x}",
        n_obs=10_000,
        modalities={"rna": rna, "atac": rna},
        source_name="data.h5mu",
        source_sha256="0" * 64,
        options_sha256="0" * 64,
        registered_at="2026-01-01T00:00:00+00:00",
        multiverse_version="1.0.0",
    )


def _peak_kib() -> int:
    """High-water mark of this process's own memory (getrusage's can be its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
