"""``multiverse schema``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from multiverse.cli.terminal import print_json


@dataclass(frozen=True)
class SchemaArguments:
    """The kind of file."""

    file: str


def read(given: Namespace) -> SchemaArguments:
    """Return the arguments."""
    return SchemaArguments(given.file)


def main(arguments: SchemaArguments) -> int:
    """Print the JSON Schema of a file."""
    print_json(schema_of(arguments.file))
    return 0


def schema_of(file: str) -> dict[str, Any]:
    """Return the JSON Schema of ``benchmark``, ``job_spec`` or ``model`` files, or of an event."""
    from multiverse.cli.json_events import events_schema
    from multiverse.contract import JobSpec
    from multiverse.specs import Benchmark, ModelYaml

    makers = {
        "benchmark": Benchmark.json_schema,
        "events": events_schema,
        "job_spec": JobSpec.json_schema,
        "model": ModelYaml.json_schema,
    }
    return makers[file]()
