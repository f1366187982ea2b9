"""``multiverse schema``."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from multiverse.cli.terminal import print_json


def main(arguments: Namespace) -> int:
    print_json(schema_of(arguments.file))
    return 0


def schema_of(file: str) -> dict[str, Any]:
    """The JSON Schema of ``benchmark``, ``job_spec`` or ``model`` files, or of a line of events."""
    from multiverse.cli.json_events import events_schema
    from multiverse.contract.job_spec import JobSpec
    from multiverse.specs.benchmark import Benchmark
    from multiverse.specs.model import ModelYaml

    makers = {
        "benchmark": Benchmark.json_schema,
        "events": events_schema,
        "job_spec": JobSpec.json_schema,
        "model": ModelYaml.json_schema,
    }
    return makers[file]()
