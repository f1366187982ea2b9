"""Keeps datasets and finds models; registration makes a dataset canonical. May import specs.

Listing and finding (``datasets``, ``home``) read only JSON and are cheap to import; numpy,
anndata and h5py are loaded by ``registration`` and what belongs to it.
"""
