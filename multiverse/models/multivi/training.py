"""MultiVI by scvi-tools: Ashuach et al. 2023, doi 10.1038/s41592-023-01909-9.

scvi-tools is imported when the data are known to suit the method: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from multiverse.errors import NotApplicable
from multiverse.worker.preprocess import View, count_views
from multiverse.worker.scvi_posterior import Posterior, posterior_of
from multiverse.worker.scvi_training import (
    BATCH,
    TrainingSummary,
    TrainOptions,
    as_mudata,
    require_cells,
    require_training_memory,
    scvi_session,
    train,
)

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.worker import Job

REQUIRED = ("rna", "atac")
#: scvi-tools' name of each modality in ``setup_mudata``.
LAYERS = {"rna": "rna_layer", "atac": "atac_layer", "adt": "protein_layer"}

#: Arrays of minibatch × features at once in a training step: 10 to 17 were measured, with
#: 24,000 and 84,000 features and minibatches of 128 and 512.
DENSE_ARRAYS = 17


@dataclass(frozen=True)
class MultiviSettings:
    """MultiVI's options under the names of ``model.yaml``, which are scvi-tools' own."""

    n_latent: int | None
    n_hidden: int | None
    n_layers_encoder: int
    n_layers_decoder: int
    dropout_rate: float
    gene_likelihood: str
    region_factors: bool
    modality_weights: str
    modality_penalty: str
    encode_covariates: bool
    use_adt: bool
    max_epochs: int
    lr: float
    weight_decay: float
    batch_size: int
    early_stopping: bool
    early_stopping_patience: int
    n_epochs_kl_warmup: int
    adversarial_mixing: bool

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> MultiviSettings:
        return cls(**parameters)

    def network(self) -> dict[str, Any]:
        """Return the arguments of ``scvi.model.MULTIVI``."""
        return {
            "n_latent": self.n_latent,
            "n_hidden": self.n_hidden,
            "n_layers_encoder": self.n_layers_encoder,
            "n_layers_decoder": self.n_layers_decoder,
            "dropout_rate": self.dropout_rate,
            "gene_likelihood": self.gene_likelihood,
            "region_factors": self.region_factors,
            "modality_weights": self.modality_weights,
            "modality_penalty": self.modality_penalty,
            "encode_covariates": self.encode_covariates,
        }

    def training(self, n_batches: int) -> dict[str, Any]:
        """Return the arguments of ``MULTIVI.train``. There is nothing to mix in a single batch."""
        return {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "n_epochs_kl_warmup": self.n_epochs_kl_warmup,
            "adversarial_mixing": self.adversarial_mixing and n_batches > 1,
        }

    def options(self) -> TrainOptions:
        """Return how long to train; the library stops by the reconstruction loss, not the ELBO."""
        return TrainOptions(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            patience=self.early_stopping_patience if self.early_stopping else None,
            monitor="reconstruction_loss_validation",
        )


def views_of(job: Job, data: MuData, settings: MultiviSettings) -> list[View]:
    """Return raw counts of genes and peaks, and of proteins where they are asked for.

    Raises :class:`NotApplicable` where RNA or ATAC is missing or varies in no feature, and for
    too few cells.
    """
    wanted = (*REQUIRED, "adt") if settings.use_adt else REQUIRED
    used = tuple(name for name in wanted if name in job.spec.modalities)
    _require_both(used, "the data have no")
    require_cells(data.n_obs, "MultiVI")
    for name in set(job.spec.modalities) - set(used):
        job.log.info("%s is not used (parameter use_adt)", name)
    spec = job.spec.model_copy(update={"modalities": used})
    views = count_views(replace(job, spec=spec), data)
    _require_both(tuple(view.name for view in views), "there is no usable feature in")
    job.record(modalities=[view.name for view in views])
    return views


def _require_both(names: Sequence[str], what: str) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise NotApplicable(f"MultiVI needs RNA and ATAC; {what} {' and '.join(missing)}")


def fit(
    views: Sequence[View], settings: MultiviSettings, job: Job
) -> tuple[Posterior, TrainingSummary]:
    """Train MultiVI on counts (n_cells, n_features); proteins are made dense, as it requires."""
    counts = as_mudata(views, job.batch, dense=("adt",))
    layers = {LAYERS[view.name]: view.name for view in views}
    with scvi_session(job) as scvi:
        scvi.model.MULTIVI.setup_mudata(counts, batch_key=BATCH, modalities=layers)
        model = scvi.model.MULTIVI(counts, **settings.network())
        job.record(n_hidden=int(model.module.n_hidden), n_latent=int(model.module.n_latent))
        require_training_memory(
            job, model.module, counts, settings.batch_size, dense_arrays=DENSE_ARRAYS
        )
        n_batches = int(model.summary_stats.n_batch)
        progress = train(model, job, settings.options(), **settings.training(n_batches))
        return posterior_of(model), progress
