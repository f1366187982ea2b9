"""One runner at a time; a dead one holds nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from multiverse.errors import ResultsLocked
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import locked


def hold_in_child(results: ResultsFolder) -> int:
    """A child process that holds the lock until it is killed; returns its number."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(results):
            os.write(writer, b"1")
            signal.pause()
        os._exit(0)
    assert os.read(reader, 1) == b"1"
    return child


def test_the_second_is_told_who_holds_it_and_a_killed_process_holds_nothing(
    tmp_path: Path,
) -> None:
    results = ResultsFolder(tmp_path / "results")
    child = hold_in_child(results)
    with pytest.raises(ResultsLocked, match=f"process {child} on"), locked(results):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with locked(results):
        assert results.folder.is_dir()
