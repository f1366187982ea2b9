"""Copies finished runs and their scores to MLflow. The results folder stays the truth.

May import contract, runs and exclusive. MLflow is an extra: it is imported by the store alone.
"""

from multiverse.tracking.copying import EMBEDDINGS_LIMIT, track
from multiverse.tracking.outcome import NotCopied, Tracked
from multiverse.tracking.uri import default_uri

__all__ = ["EMBEDDINGS_LIMIT", "NotCopied", "Tracked", "default_uri", "track"]
