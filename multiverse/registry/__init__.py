"""Keeps datasets and finds models; registration makes a dataset canonical.

May import contract, specs and exclusive. Listing and finding (``datasets``, ``home``) read only
JSON and are cheap to import; numpy, anndata and h5py are loaded by ``registration`` and what
belongs to it.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.registry.datasets import RegisteredDataset
    from multiverse.registry.home import users_cache
    from multiverse.registry.modalities import known_modality
    from multiverse.registry.options import RegistrationOptions
else:
    __getattr__ = lazily(
        __name__,
        datasets="RegisteredDataset",
        home="users_cache",
        modalities="known_modality",
        options="RegistrationOptions",
    )

__all__ = ["RegisteredDataset", "RegistrationOptions", "known_modality", "users_cache"]
