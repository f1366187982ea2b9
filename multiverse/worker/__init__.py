"""The SDK a model author uses inside a container. May import contract and errors.

A model is one function from data to embedding; everything else is done here::

    import sys
    from multiverse.worker import Embedding, Job, run_model

    def embed(job: Job, data: MuData) -> Embedding:
        counts = data["rna"].X  # raw counts, CSR; every modality has the same cells in order
        ...
        return Embedding(latent, metrics={"loss": loss})

    if __name__ == "__main__":
        sys.exit(run_model(embed))

Importing this package loads nothing heavy: the libraries for data, pictures and layouts are
loaded where they are first needed.
"""

from multiverse.errors import NotApplicable
from multiverse.worker.embedding import Embedding, Series
from multiverse.worker.job import Job
from multiverse.worker.run import run_model

__all__ = ["Embedding", "Job", "NotApplicable", "Series", "run_model"]
