"""totalVI by scvi-tools: Gayoso et al. 2021, doi 10.1038/s41592-020-01050-x.

scvi-tools is imported when the data are known to suit the method: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiverse.errors import MultiverseError, NotApplicable
from multiverse.models.totalvi.panels import report_unmeasured
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

REQUIRED = ("rna", "adt")
LAYERS = {"rna_layer": "rna", "protein_layer": "adt"}

#: Arrays of minibatch × features at once in a training step: 13 to 26 were measured, with
#: 4,000 and 12,000 genes and minibatches of 256 and 512.
DENSE_ARRAYS = 26


@dataclass(frozen=True)
class TotalviSettings:
    """totalVI's options under the names of ``model.yaml``, which are scvi-tools' own."""

    n_latent: int
    latent_distribution: str
    n_hidden: int
    n_layers_encoder: int
    n_layers_decoder: int
    dropout_rate_encoder: float
    dropout_rate_decoder: float
    gene_likelihood: str
    gene_dispersion: str
    empirical_protein_background_prior: bool | None
    override_missing_proteins: bool
    max_epochs: int
    lr: float
    batch_size: int
    early_stopping: bool
    early_stopping_patience: int
    reduce_lr_on_plateau: bool
    n_epochs_kl_warmup: int | None

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> TotalviSettings:
        return cls(**parameters)

    def network(self) -> dict[str, Any]:
        """Return the arguments of ``scvi.model.TOTALVI``."""
        return {
            "n_latent": self.n_latent,
            "latent_distribution": self.latent_distribution,
            "n_hidden": self.n_hidden,
            "n_layers_encoder": self.n_layers_encoder,
            "n_layers_decoder": self.n_layers_decoder,
            "dropout_rate_encoder": self.dropout_rate_encoder,
            "dropout_rate_decoder": self.dropout_rate_decoder,
            "gene_likelihood": self.gene_likelihood,
            "gene_dispersion": self.gene_dispersion,
            "empirical_protein_background_prior": self.empirical_protein_background_prior,
            "override_missing_proteins": self.override_missing_proteins,
        }

    def training(self) -> dict[str, Any]:
        """Return the arguments of ``TOTALVI.train``."""
        return {
            "lr": self.lr,
            "reduce_lr_on_plateau": self.reduce_lr_on_plateau,
            "n_epochs_kl_warmup": self.n_epochs_kl_warmup,
        }

    def options(self) -> TrainOptions:
        return TrainOptions(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            patience=self.early_stopping_patience if self.early_stopping else None,
        )


def views_of(job: Job, data: MuData) -> list[View]:
    """Return raw counts of variable genes and of all proteins.

    Raises :class:`NotApplicable` where RNA or ADT is missing or varies in no feature, and for
    too few cells.
    """
    _require_both(job.spec.modalities, "the data have no")
    require_cells(data.n_obs, "totalVI")
    views = count_views(job, data)
    _require_both([view.name for view in views], "there is no usable feature in")
    return views


def _require_both(names: Sequence[str], what: str) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise NotApplicable(f"totalVI needs RNA and ADT; {what} {' and '.join(missing)}")


def fit(
    views: Sequence[View], settings: TotalviSettings, job: Job
) -> tuple[Posterior, TrainingSummary]:
    """Train totalVI on counts (n_cells, n_features); its mixture model needs dense proteins."""
    proteins = next(view for view in views if view.name == "adt")
    _check_prior(settings, len(proteins.features))
    report_unmeasured(job, proteins, job.batch, override=settings.override_missing_proteins)
    counts = as_mudata(views, job.batch, dense=("adt",))
    with scvi_session(job) as scvi:
        scvi.model.TOTALVI.setup_mudata(counts, batch_key=BATCH, modalities=LAYERS)
        model = scvi.model.TOTALVI(counts, **settings.network())
        require_training_memory(
            job, model.module, counts, settings.batch_size, dense_arrays=DENSE_ARRAYS
        )
        progress = train(model, job, settings.options(), **settings.training())
        return posterior_of(model), progress


def _check_prior(settings: TotalviSettings, n_proteins: int) -> None:
    if settings.empirical_protein_background_prior and n_proteins < 2:
        raise MultiverseError(
            "the empirical prior fits a mixture of two Gaussians to the proteins of a cell, and "
            "the data have only one protein",
            remedy="Set empirical_protein_background_prior to null or false.",
        )
