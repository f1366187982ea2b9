"""``run_model``: from the job on disk to complete outputs, or an exit status that says why not."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

from multiverse.contract import EXIT_NOT_APPLICABLE, ContainerPaths, JobSpec
from multiverse.contract.files import write_aside
from multiverse.errors import MultiverseError, NotApplicable, UsageError
from multiverse.worker.caches import writable_caches
from multiverse.worker.data import Input, read_input
from multiverse.worker.embedding import Embedding, check_latent
from multiverse.worker.epochs import EpochLog
from multiverse.worker.job import Job, available_threads, memory_limit
from multiverse.worker.log import readable, run_log
from multiverse.worker.outputs import write_embedding, write_metrics
from multiverse.worker.picture import Caption, write_picture
from multiverse.worker.torch_device import torch_gpu

if TYPE_CHECKING:
    from mudata import MuData

EmbedFunction = Callable[[Job, "MuData"], Any]
EXIT_FAILED = 1
EXIT_TERMINATED = 128 + signal.SIGTERM


class _Terminated(BaseException):
    """SIGTERM came. No Exception, so that no model can swallow it."""


def run_model(
    embed: EmbedFunction, *, devices: Sequence[str] = ("cpu",), mosaic: bool = False
) -> int:
    """Run one job with a model's function, and return the exit status of the process.

    Parameters
    ----------
    embed
        From the job and its data to an :class:`Embedding`, or to an array of cells × dimensions.
    devices
        The kinds of device the function can use: ``cpu``, ``cuda``. A job that asks for another
        one fails; it is never run on the CPU instead.
    mosaic
        Whether the function can use cells that lack a modality (``mosaic: true`` in
        ``model.yaml``): their rows are empty, and ``job.measured`` says which they are. Otherwise
        a job with such cells is not applicable.

    Returns
    -------
    0 if all outputs are written, 99 if the model is not applicable, 2 if the job is wrong,
    1 for any other failure, 143 after SIGTERM. The last line of ``run.log`` says why.
    """
    paths = ContainerPaths.from_environment()
    try:
        with run_log(paths.output.log) as log:
            return _guarded(_Model(embed, devices, mosaic), paths, log)
    except OSError as error:
        print(f"ERROR the output folder can't be used: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


@dataclass(frozen=True)
class _Model:
    """A model's function and what it can do."""

    embed: EmbedFunction
    devices: Sequence[str]
    mosaic: bool


def _guarded(model: _Model, paths: ContainerPaths, log: Logger) -> int:
    """Run the job and turn whatever ends it into an exit status and a last line of the log."""
    try:
        with _sigterm_raises(), writable_caches():
            _run(model, paths, log)
    except NotApplicable as reason:
        line = " ".join(str(reason).split())
        write_aside(paths.output.reason, line + "\n")
        log.info("Not applicable: %s", line)
        return EXIT_NOT_APPLICABLE
    except _Terminated:
        log.error("Terminated: the engine asked the process to stop (SIGTERM)")
        return EXIT_TERMINATED
    except MultiverseError as error:
        log.error("%s", readable(error))
        return error.exit_code if isinstance(error, UsageError) else EXIT_FAILED
    except SystemExit as error:
        log.error("SystemExit: the model's code ended the process (status %r)", error.code)
        return EXIT_FAILED
    except KeyboardInterrupt:
        log.error("KeyboardInterrupt: stopped on request")
        return 128 + signal.SIGINT
    except Exception as error:
        log.error("The model failed:", exc_info=error)
        log.error("%s", readable(error))
        return EXIT_FAILED
    return 0


@dataclass(frozen=True)
class _Result:
    embedding: Embedding
    seconds: float
    gpu: Mapping[str, Any] | None = None


def _run(model: _Model, paths: ContainerPaths, log: Logger) -> None:
    spec = _read_spec(paths, model.devices)
    started = time.monotonic()
    log.info(
        "%s %s on %s, seed %d", spec.model_name, spec.model_version, spec.dataset_name, spec.seed
    )
    given = read_input(paths.data, spec, mosaic=model.mosaic)
    cells = given.cells
    job = Job(
        spec=spec,
        batch=given.batch,
        threads=available_threads(),
        log=log,
        epochs=EpochLog(paths.output.epochs, log),
        memory_limit=memory_limit(),
        measured=given.measured,
    )
    _describe(given, job)
    result = _embed(model.embed, job, given)
    latent = check_latent(result.embedding.latent, len(cells))
    write_embedding(paths.output.embeddings, latent, cells)
    write_metrics(
        paths.output.metrics,
        result.embedding.metrics,
        {**job.epochs.history, **result.embedding.history},
        _settings(job, len(cells)),
        job.notes.warnings,
        log,
        gpu=result.gpu,
        libraries=job.notes.libraries,
    )
    log.info("Embedding of %s cells in %d dimensions", f"{len(latent):,}", latent.shape[1])
    caption = Caption(spec.model_name, spec.dataset_name, len(cells))
    write_picture(paths.output.umap, latent, job.batch, caption, seed=spec.seed, log=log)
    log.info(
        "Done in %.1f s, of which the model took %.1f s", time.monotonic() - started, result.seconds
    )


def _read_spec(paths: ContainerPaths, devices: Sequence[str]) -> JobSpec:
    if not paths.output.job_spec.exists():
        raise MultiverseError(
            f"there is no job at {paths.output.job_spec}",
            remedy="Start the container with the output folder that holds job_spec.json.",
        )
    spec = JobSpec.read(paths.output.job_spec)
    if spec.device.partition(":")[0] not in devices:
        raise UsageError(
            f"{spec.model_name} can't use the device {spec.device!r}, only {', '.join(devices)}"
        )
    return spec


def _describe(given: Input, job: Job) -> None:
    for name, part in given.data.mod.items():
        measured = int(given.measured[name].sum())
        cells = f"{part.n_obs:,}" if measured == part.n_obs else f"{measured:,} of {part.n_obs:,}"
        job.log.info("%s: %s cells, %s features", name, cells, f"{part.n_vars:,}")
    if job.batch is not None:
        job.log.info("batch column %r: %d batches", job.spec.batch_key, len(set(job.batch)))
    job.log.info("device %s, %d threads", job.device, job.threads)


def _embed(embed: EmbedFunction, job: Job, given: Input) -> _Result:
    job.seed_everything()
    started = time.monotonic()
    returned = embed(job, given.data)
    seconds = time.monotonic() - started
    embedding = returned if isinstance(returned, Embedding) else Embedding(returned)
    return _Result(embedding, seconds, None if job.device == "cpu" else _gpu(job))


def _gpu(job: Job) -> Mapping[str, Any] | None:
    """Return the proof that a GPU computed: as the model recorded it, else as PyTorch counts."""
    recorded = job.notes.used.get("gpu")
    return recorded if isinstance(recorded, Mapping) else torch_gpu()


def _settings(job: Job, n_cells: int) -> dict[str, Any]:
    """Return the settings that the result depends on, recorded beside the metrics."""
    return {
        "hyperparameters": dict(job.parameters),
        "preprocessing": dict(job.preprocessing),
        "modalities": list(job.spec.modalities),
        "batch_key": job.spec.batch_key,
        "seed": job.seed,
        "device": job.device,
        "threads": job.threads,
        "n_cells": n_cells,
        "measured_cells": {name: int(mask.sum()) for name, mask in job.measured.items()},
        "used": dict(job.notes.used),
    }


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Stop at once on SIGTERM: the first process of a container would ignore it otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: Any) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
