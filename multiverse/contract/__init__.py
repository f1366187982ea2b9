"""The container boundary: its paths, the job, and what a complete output is.

Shared by both sides: the worker inside a container and the runner outside. Imports only
``multiverse.errors``; h5py and numpy are loaded when an output is checked.
"""

from multiverse.contract.cells import CellNames
from multiverse.contract.finding import Finding, FindingKind
from multiverse.contract.job_spec import ImageReference, JobSpec, RunSettings
from multiverse.contract.output import check_output, read_libraries, read_warnings
from multiverse.contract.paths import (
    CONTRACT_VERSION,
    EXIT_NOT_APPLICABLE,
    INPUT_VARIABLE,
    MEMORY_VARIABLE,
    OUTPUT_VARIABLE,
    ContainerPaths,
    OutputFiles,
)

__all__ = [
    "CONTRACT_VERSION",
    "EXIT_NOT_APPLICABLE",
    "INPUT_VARIABLE",
    "MEMORY_VARIABLE",
    "OUTPUT_VARIABLE",
    "CellNames",
    "ContainerPaths",
    "Finding",
    "FindingKind",
    "ImageReference",
    "JobSpec",
    "OutputFiles",
    "RunSettings",
    "check_output",
    "read_libraries",
    "read_warnings",
]
