"""Runs the evaluator on the complete runs of a results folder, and keeps what it found.

The host's side of an evaluation: which runs are new, the answer sheet, the engine, ``scores.json``
and ``embeddings.h5ad``. May import contract, specs, registry, plan, runs, engines, images,
runner and exclusive.
"""
