"""A process of the embedded engine, by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from multiverse.engines.local_process import LocalProcess
from multiverse.engines.protocol import Execution, Runtime
from multiverse.specs.model import ModelSpec
from tests.conftest import TEST_MODELS

DEEP = """
import os
for _ in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
"""


def test_what_a_model_leaves_in_its_scratch_folder_goes_however_deep(tmp_path: Path) -> None:
    scratch, output = tmp_path / "scratch", tmp_path / "output"
    scratch.mkdir()
    output.mkdir()
    execution = Execution(
        runtime=Runtime(model=ModelSpec.load(TEST_MODELS / "naughty"), handle=None),
        data=tmp_path / "data.h5mu",
        output=output,
        log=tmp_path / "run.log",
        cpus=1,
        memory=1024**3,
        device="cpu",
        labels={"multiverse.run": "0" * 16},
    )
    command = [sys.executable, "-c", DEEP]
    with LocalProcess.start(
        command, environment=os.environ, scratch=scratch, execution=execution
    ) as running:
        while not running.wait(1.0):
            pass
        assert (scratch / "deep" / "deep").is_dir()
        assert running.ending().exit_code == 0
    assert not scratch.exists()
