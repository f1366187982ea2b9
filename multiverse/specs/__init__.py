"""YAML and JSON files → frozen objects, parsed and validated once, at the edge.

Dataset record, model, benchmark. May import ``contract`` and ``errors``.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.specs.accelerator import Accelerator
    from multiverse.specs.benchmark import Benchmark, BenchmarkSource
    from multiverse.specs.dataset import DatasetRecord
    from multiverse.specs.model import ModelSpec, ModelYaml
    from multiverse.specs.names import first_of
    from multiverse.specs.quantity import format_bytes, format_seconds, parse_bytes, parse_seconds
    from multiverse.specs.yaml_file import read_value
else:
    __getattr__ = lazily(
        __name__,
        accelerator="Accelerator",
        benchmark="Benchmark BenchmarkSource",
        dataset="DatasetRecord",
        model="ModelSpec ModelYaml",
        names="first_of",
        quantity="format_bytes format_seconds parse_bytes parse_seconds",
        yaml_file="read_value",
    )

__all__ = [
    "Accelerator",
    "Benchmark",
    "BenchmarkSource",
    "DatasetRecord",
    "ModelSpec",
    "ModelYaml",
    "first_of",
    "format_bytes",
    "format_seconds",
    "parse_bytes",
    "parse_seconds",
    "read_value",
]
