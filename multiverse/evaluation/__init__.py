"""The evaluator: embeddings and held-out labels → a value or a reason for every metric.

Runs inside its own image (``python -m multiverse.evaluation``), like a model. May import worker
and contract. A metric is one file of :mod:`multiverse.evaluation.metrics`.
"""
