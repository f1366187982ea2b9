"""Reads descriptions of models and benchmarks in a process of its own, with little memory.

``python description_reader.py FOLDER``: a line of JSON with kind and text in, one with the answer
out. What is neither taken nor refused by an error of ours ends the process.
"""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Ten times what the slowest of them needs on a busy machine: only a hang takes longer.
PATIENCE_SECONDS = 120
MEMORY_BYTES = 3 * 1024**3


@dataclass(frozen=True)
class Answer:
    """What became of a text: taken, or refused with problems (line, place, message)."""

    taken: bool
    problems: list[tuple[int | None, str, str]]

    @property
    def words(self) -> str:
        return "\n".join(f"{line}: {place}: {message}" for line, place, message in self.problems)


class DescriptionReader:
    """A process that reads texts until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def read(self, kind: str, text: str) -> Answer:
        """Return what becomes of a text; AssertionError where the reader dies, or hangs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, text]).encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        assert ready, f"no answer to {text[:2000]!r}"
        line = self._process.stdout.readline()
        assert line, f"{self._errors.read_text()[-3000:]}\nof {text[:2000]!r}"
        found = json.loads(line)
        return Answer(found["taken"], [tuple(problem) for problem in found["problems"]])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _read(kind: str, folder: Path) -> None:
    from multiverse.plan.settings import resolve
    from multiverse.specs.benchmark import BenchmarkSource
    from multiverse.specs.model import ModelSpec

    if kind == "benchmark":
        BenchmarkSource.load(folder / "mine" / "model.yaml")
        return
    model = ModelSpec.load(folder / "mine")
    for part in ("parameters", "preprocessing"):
        resolve(model, part, {"other": [1], **dict.fromkeys(model.defaults(part), "aaaa!")})
        resolve(model, part, {})


def _answer(kind: str, text: str, folder: Path) -> dict[str, Any]:
    from multiverse.errors import SpecError

    (folder / "mine" / "model.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        _read(kind, folder)
    except SpecError as error:
        found = [(item.line, item.where, item.message) for item in error.problems]
        return {"taken": False, "problems": found}
    return {"taken": True, "problems": []}


def main(folder: Path) -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    (folder / "mine").mkdir(exist_ok=True)
    for line in sys.stdin.buffer:
        kind, text = json.loads(line)
        sys.stdout.write(json.dumps(_answer(kind, text, folder)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
