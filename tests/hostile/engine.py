"""An engine that other packages could register: it computes nothing, and writes what is right.

The commands need no image and no environment with it, so that a test is about the folder alone.
A seed says how a job ends: see ``FAILS`` and ``DIES``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from multiverse.contract.evaluation import EvaluationRequest
from multiverse.contract.files import open_new
from multiverse.contract.job_spec import JobSpec
from multiverse.engines.protocol import Echo, Ending, Execution, Orphan, Running
from multiverse.facts import Usage
from tests.unit.scoring.made import write_embedding
from tests.unit.scoring.scripted import DONE, ScriptedEngine, ScriptedRunning, Start, everything

#: A job with this seed fails; with the other its command is killed, and with it itself.
FAILS, DIES = 91, 92
#: In the environment of a command: whether it dies where a job says so, or where it scores.
DIE = "HOSTILE_DIE"
#: In the environment of a command: the run whose first attempt has ended without its runner.
LEFT = "HOSTILE_LEFT"


class HonestEngine(ScriptedEngine):
    """What a model should write, and the evaluator; at once, in the process of the command."""

    def __init__(self) -> None:
        super().__init__(name="honest")

    def start(self, execution: Execution) -> Running:
        os.close(open_new(execution.log))  # as every engine begins its log
        execution.log.write_text("an honest line\n")
        if (execution.output / "request.json").is_file():
            if os.environ.get(DIE) == "evaluate":
                os.kill(os.getpid(), signal.SIGKILL)
            request = EvaluationRequest.read(execution.output / "request.json")
            return ScriptedRunning(everything(Start(request, execution)))
        spec = JobSpec.model_validate_json((execution.output / "job_spec.json").read_bytes())
        if spec.seed == FAILS:
            return ScriptedRunning(Ending(1, None, Usage()))
        if spec.seed == DIES and os.environ.get(DIE) == "run":
            os.kill(os.getpid(), signal.SIGKILL)
        write_output(execution.data, execution.output, spec.seed)
        return ScriptedRunning(DONE)

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        run_id = os.environ.get(LEFT, "")
        if labels.get("multiverse.run", run_id) != run_id or not run_id:
            return []
        own = {**labels, "multiverse.run": run_id, "multiverse.attempt": "1"}
        return [Orphan(labels=own, running=False, adoptable=True, handle=None)]

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:
        return ScriptedRunning(DONE)


def write_output(data: Path, output: Path, seed: int) -> None:
    """All files of the contract."""
    with h5py.File(data, "r") as file:
        names = [name.decode() for name in file["obs"][file["obs"].attrs["_index"]][...]]
    points = np.random.default_rng(seed).normal(size=(len(names), 4)).astype(np.float32)
    write_embedding(output / "embeddings.h5", points, names)
    metrics = {"model_metrics": {"loss": 1.5}, "history": {"loss": [3.0, 2.0, 1.5]}}
    (output / "metrics.json").write_text(json.dumps(metrics))
    epochs = ({"epoch": number, "total": 3, "loss": 4.0 - number} for number in (1, 2, 3))
    (output / "metrics.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    Image.new("RGB", (20, 20), "white").save(output / "umap.png")
    (output / "run.log").write_text("2026-01-01 00:00:00 INFO done\n")
