"""Where datasets and models live; registration makes a dataset canonical.

May import contract, specs and exclusive. Listing and finding (``datasets``, ``home``) read only
JSON and are cheap to import; numpy, anndata and h5py are loaded by ``registration`` and what
belongs to it.
"""
