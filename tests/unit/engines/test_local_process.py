"""A process of the embedded engine, by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from multiverse.contract.folders import name_of_opened, opened_folder
from multiverse.contract.paths import OUTPUT_VARIABLE
from multiverse.engines.local import scratch_folder
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
    output = tmp_path / "output"
    output.mkdir()
    held = ExitStack()
    scratch = held.enter_context(scratch_folder({"multiverse.results": str(tmp_path)}))
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
        command, environment=os.environ, scratch=scratch, held=held, execution=execution
    ) as running:
        while not running.wait(1.0):
            pass
        assert (scratch / "deep" / "deep").is_dir()
        assert running.ending().exit_code == 0
    assert not scratch.exists()


WRITES = """
import os, pathlib, sys
from multiverse.contract.files import write_aside
output = pathlib.Path(os.environ["MULTIVERSE_OUTPUT"])
sys.stdin.readline()
(output / "by_path").write_text("written")
write_aside(output / "aside", "written")
"""


def test_a_model_writes_where_it_was_told_to_whatever_takes_the_place(tmp_path: Path) -> None:
    """Somebody who may write in the results folder puts a link where a job's output is."""
    output, elsewhere = tmp_path / "output", tmp_path / "elsewhere"
    output.mkdir()
    elsewhere.mkdir()
    with opened_folder(output) as descriptor:
        given = name_of_opened(descriptor)
        variables = {**os.environ, OUTPUT_VARIABLE: str(given)}
        command = [sys.executable, "-c", WRITES]
        process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, text=True)
        output.rename(tmp_path / "moved")
        output.symlink_to(elsewhere)
        process.communicate("now\n", timeout=60)
    assert process.returncode == 0
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == ["aside", "by_path"]
    assert not list(elsewhere.iterdir())
