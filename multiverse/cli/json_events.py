"""``multiverse run --json``: one JSON object a line, for machines.

The schema of a line is published as ``docs/schemas/events.schema.json``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO, Union

from pydantic import BaseModel, Field, TypeAdapter

from multiverse.engines import printable
from multiverse.events import Advised, Event, Finished, MetricScored, Progressed, Retried

#: Of one job, progress is told at most this often (seconds).
PROGRESS_SECONDS = 1.0


def events_schema() -> dict[str, Any]:
    """Return the published JSON Schema of a line."""
    lines: Any = Union[tuple(kinds(Event))]  # noqa: UP007 - made of a list
    adapter = TypeAdapter[Event](Annotated[lines, Field(discriminator="event")])
    schema = adapter.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Event", **schema}


def kinds(base: type[Event]) -> Iterator[type[Event]]:
    """Yield the events that have a word of their own, in the order of :mod:`multiverse.events`."""
    for event in base.__subclasses__():
        if "event" in vars(event) and event.__module__ == Event.__module__:
            yield event
        yield from kinds(event)


class JsonEvents:
    """Writes a line for each event that it is told."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Write whole lines only, in ASCII: nothing in them is obeyed by a terminal."""
        with self._lock:
            if isinstance(event, Advised) or self._is_too_soon(event):
                return
            line = json.dumps(asdict(event), allow_nan=False, default=_plain)
            self._out.write(line + "\n")
            self._out.flush()

    def _is_too_soon(self, event: Event) -> bool:
        match event:
            case Progressed(run_id=key):
                pass
            case MetricScored():
                key = ""
            case Retried() | Finished():
                self._told.pop(event.run_id, None)
                return False
            case _:
                return False
        now = time.monotonic()
        if now - self._told.get(key, float("-inf")) < PROGRESS_SECONDS:
            return True
        self._told[key] = now
        return False


def _plain(value: object) -> object:
    """Return what JSON has no type for as something that it has one for."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return printable(str(value))
    raise TypeError(f"{type(value).__name__} is not part of any event")
