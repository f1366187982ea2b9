"""Tests of a model with its own libraries: they run in its locked environment, not in the host's.

``scripts/test-inside totalvi -k seed`` runs them there; ``tests/engine/test_inside.py`` does it
for every model.
"""
