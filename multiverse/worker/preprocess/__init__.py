"""Steps from raw counts to what a method expects: arrays in, arrays out.

Counts are CSR, cells × features. Each step stands alone and stays sparse unless its definition
makes every value non-zero. No step drops a cell: one without counts in a modality keeps a
finite row (zeros). No batch correction happens here.
"""

from multiverse.worker.preprocess.accessibility import tfidf, variable_peaks
from multiverse.worker.preprocess.counts import as_counts, seen_features
from multiverse.worker.preprocess.depth import FOLLOWS_DEPTH, depth_correlations, log_depth
from multiverse.worker.preprocess.expression import log_normalise
from multiverse.worker.preprocess.genes import variable_genes
from multiverse.worker.preprocess.proteins import clr, clr_non_negative
from multiverse.worker.preprocess.views import (
    View,
    count_views,
    gaussian_views,
    non_negative_views,
)

__all__ = [
    "FOLLOWS_DEPTH",
    "View",
    "as_counts",
    "clr",
    "clr_non_negative",
    "count_views",
    "depth_correlations",
    "gaussian_views",
    "log_depth",
    "log_normalise",
    "non_negative_views",
    "seen_features",
    "tfidf",
    "variable_genes",
    "variable_peaks",
]
