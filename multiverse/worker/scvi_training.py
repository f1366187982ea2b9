"""Models of scvi-tools as a job wants them: seeded, quiet, live epochs, nothing written to disk.

A model's code is then only what is its own::

    with scvi_session(job) as scvi:
        counts = as_mudata(count_views(job, data), job.batch)
        scvi.model.TOTALVI.setup_mudata(counts, batch_key=BATCH, modalities={...})
        model = scvi.model.TOTALVI(counts, n_latent=20)
        progress = train(model, job, TrainOptions(max_epochs=400, batch_size=256), lr=4e-3)
        posterior = posterior_of(model)  # multiverse.worker.scvi_posterior

scvi-tools logs the negative of the evidence lower bound (ELBO) under the name ``elbo``: a loss,
smaller is better. All its terms are nats per cell.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiverse.errors import MultiverseError, NotApplicable
from multiverse.worker.torch_device import prepare_torch, require_memory

if TYPE_CHECKING:
    import numpy as np
    from mudata import MuData
    from numpy.typing import NDArray

    from multiverse.worker.job import Job
    from multiverse.worker.preprocess import View

#: The column of ``obs`` that holds the batch.
BATCH = "batch"
#: scvi-tools holds out a tenth of the cells for validation: fewer cells than this leave none.
MIN_CELLS = 10
#: What an epoch reports, if the library logs it.
REPORTED = ("elbo", "reconstruction_loss", "kl_local")
#: Warnings about what is so on purpose, or is said to the user in other words.
KNOWN_WARNINGS = (
    r".*does not have many workers",
    r"The number of training batches .* is smaller than the logging interval",
    r".*cells moved from training set to validation set",
    r"This dataset has some empty cells",
    r"Some proteins have all 0 counts in some batches",
    r"GPU available but not used",
    r"Initializing zero-element tensors is a no-op",
    r".isinstance\(treespec, LeafSpec\). is deprecated",
    r"The lr scheduler dict contains the key\(s\) \['monitor'\], but the keys will be ignored",
    r"From 0.4 .update",
)
#: Loggers of libraries whose notes (devices found, seed set) say nothing that the job doesn't.
CHATTY = ("scvi", "lightning.pytorch", "lightning.fabric")
MEBI = 1024**2


class TrainingDiverged(MultiverseError):
    """The loss, or a parameter of a distribution, is no finite number any more."""


@dataclass(frozen=True)
class TrainOptions:
    """The length of training. ``patience``: epochs without a better ``monitor``; None: no stop.

    ``monitor`` is a value that the library logs for the validation cells.
    """

    max_epochs: int
    batch_size: int
    patience: int | None = None
    monitor: str = "elbo_validation"


@dataclass(frozen=True)
class TrainingSummary:
    """The outcome of training. ``elbo_validation`` has an entry (a loss) for each epoch."""

    epochs: int
    stopped_early: bool
    n_train: int
    n_validation: int
    elbo_validation: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Return the share of the first by which the best validation loss is lower."""
        finite = [value for value in self.elbo_validation if math.isfinite(value)]
        return (finite[0] - min(finite)) / abs(finite[0]) if finite else 0.0


def require_cells(n_cells: int, method: str) -> None:
    """Raise :class:`NotApplicable` for fewer than ``MIN_CELLS`` cells."""
    if n_cells < MIN_CELLS:
        raise NotApplicable(
            f"{method} holds out a tenth of the cells for validation and needs at least "
            f"{MIN_CELLS} cells; these data have {n_cells}"
        )


def as_mudata(
    views: Sequence[View], batch: NDArray[np.str_] | None, dense: Collection[str] = ()
) -> MuData:
    """Return views (n_cells, n_features) as scvi-tools reads them: CSR, or dense if so named.

    Features are called ``rna:CD4``: a gene and a protein may share a name. Without batches all
    cells have the same one.
    """
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    cells = pd.Index([str(number) for number in range(views[0].values.shape[0])])
    parts = {}
    for view in views:
        values: Any = view.values
        if view.name in dense and not isinstance(values, np.ndarray):
            values = values.toarray()
        var = pd.DataFrame(index=[f"{view.name}:{name}" for name in view.features])
        parts[view.name] = AnnData(values, obs=pd.DataFrame(index=cells), var=var)
    with warnings.catch_warnings():
        # MuData announces a change of its own defaults on every construction.
        warnings.simplefilter("ignore", FutureWarning)
        data = MuData(parts)
    names = np.full(len(cells), "all") if batch is None else batch
    data.obs[BATCH] = pd.Categorical(names)
    return data


@contextlib.contextmanager
def scvi_session(job: Job) -> Iterator[Any]:
    """Import scvi-tools set up for the job, and keep its chatter out of the log for the block.

    Seed, threads and the order of operations are the job's, and no processes load data. Raises
    :class:`~multiverse.worker.torch_device.DeviceMissing`.
    """
    prepare_torch(job)
    job.library("scvi-tools")
    with warnings.catch_warnings():
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        show = warnings.formatwarning
        import scvi

        warnings.formatwarning = show  # Lightning puts its own there, of several lines
        with _quiet(CHATTY):
            scvi.settings.dl_num_workers = 0
            scvi.settings.num_threads = job.threads
            scvi.settings.seed = job.seed
            yield scvi


@contextlib.contextmanager
def _quiet(names: Sequence[str]) -> Iterator[None]:
    """Let only warnings of these loggers through, to the job's log instead of a console."""
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level, logger.propagate, logger.handlers) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.propagate, logger.handlers = True, []
    try:
        yield
    finally:
        for logger, level, propagate, handlers in before:
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers


def require_training_memory(
    job: Job, module: Any, counts: MuData, batch_size: int, *, dense_arrays: int
) -> None:
    """Check the job's memory before training, by what training must hold.

    bytes = 700 MiB (Python, torch, scvi-tools) + 3 × the counts (as read, selected, and a copy
    in flight) + 16 × parameters (value, gradient, two moments of Adam, 4 bytes each)
    + 4 × ``dense_arrays`` × minibatch × features. ``dense_arrays`` is how many arrays of that
    shape are alive at once in a training step; it is measured for each likelihood.
    """
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    held = sum(_bytes(part.X) for part in counts.mod.values())
    step = 4 * dense_arrays * min(batch_size, counts.n_obs) * counts.n_vars
    needed = 700 * MEBI + 3 * held + 16 * n_parameters + step
    job.record(n_parameters=n_parameters, memory_estimate_mib=round(needed / MEBI))
    what = f"training on {counts.n_obs:,} cells with {counts.n_vars:,} features"
    require_memory(job, _torch_device(job), needed, what)


def _torch_device(job: Job) -> Any:
    import torch

    return torch.device(job.device)


def _bytes(matrix: Any) -> int:
    if hasattr(matrix, "indptr"):
        return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)
    return int(matrix.nbytes)


def train(model: Any, job: Job, options: TrainOptions, **arguments: Any) -> TrainingSummary:
    """Call ``model.train(**arguments)`` with a trainer that suits the job.

    Reports every epoch live. Validates each epoch, also where nothing is stopped by it. Raises
    :class:`TrainingDiverged` as soon as the training loss is not finite; early stopping would
    end at such a validation loss and leave a model that is hardly trained, so that raises too.
    """
    from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback

    elbo: list[float] = []
    callbacks: list[Any] = [LambdaCallback(on_train_epoch_end=_reporter(job, options, elbo))]
    if options.patience is not None:
        # As the library makes it, but with a patience that MULTIVI.train would not accept.
        callbacks.append(EarlyStopping(options.monitor, patience=options.patience, mode="min"))
    try:
        model.train(
            max_epochs=options.max_epochs,
            batch_size=options.batch_size,
            early_stopping=False,
            check_val_every_n_epoch=1,
            callbacks=callbacks,
            enable_progress_bar=False,
            benchmark=False,
            deterministic=True,
            **_device(job.device),
            **arguments,
        )
    except ValueError as error:
        # torch.distributions refuses what a network that has diverged hands it.
        if "invalid values" not in str(error):
            raise
        raise _diverged(len(elbo) + 1) from error
    progress = TrainingSummary(
        epochs=len(elbo),
        stopped_early=len(elbo) < options.max_epochs,
        n_train=len(model.train_indices),
        n_validation=len(model.validation_indices),
        elbo_validation=tuple(elbo),
    )
    why = " (validation no longer improved)" if progress.stopped_early else ""
    job.log.info("Trained for %d epochs%s", progress.epochs, why)
    return progress


def _device(device: str) -> dict[str, Any]:
    """Return ``cuda:1`` in Lightning's words."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu", "devices": [int(index or 0)]}


def _reporter(job: Job, options: TrainOptions, elbo: list[float]) -> Any:
    def report(trainer: Any, plan: Any) -> None:
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        wanted = [f"{name}_{part}" for name in REPORTED for part in ("train", "validation")]
        values = {name: logged[name] for name in wanted if name in logged}
        decisive = ["elbo_train"] if options.patience is None else ["elbo_train", options.monitor]
        if not all(math.isfinite(logged[name]) for name in decisive):
            raise _diverged(trainer.current_epoch + 1)
        elbo.append(values["elbo_validation"])
        values["kl_weight"] = float(plan.kl_weight)
        values["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        limit = options.patience is not None
        job.epoch(trainer.current_epoch + 1, options.max_epochs, limit=limit, **values)

    return report


def _diverged(epoch: int) -> TrainingDiverged:
    return TrainingDiverged(
        f"training diverged in epoch {epoch}: the loss is not a finite number",
        remedy="Lower the learning rate (parameter lr), or check the counts for extreme values.",
    )
