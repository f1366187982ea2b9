"""Why a container ended, from the state that its daemon tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from multiverse.engines.docker_container import DockerContainer
from multiverse.facts import Cause


def cause(log: Path, exit_code: int, *, unwatched: bool, **state: Any) -> Cause | None:
    container = DockerContainer(None, "id", log, None)
    container._unwatched = unwatched
    return container._cause({"Running": False, "ExitCode": exit_code, **state})


@pytest.mark.parametrize("exit_code", [137, 143, 255])
def test_what_was_ended_while_nobody_watched_is_lost(tmp_path: Path, exit_code: int) -> None:
    assert cause(tmp_path / "log", exit_code, unwatched=True) is Cause.ENGINE_LOST


def test_what_was_ended_before_the_model_began_is_lost(tmp_path: Path) -> None:
    """A daemon that is stopped sends TERM to what is just being started, which ends with 2."""
    log = tmp_path / "container.log"
    assert cause(log, 2, unwatched=True) is Cause.ENGINE_LOST
    log.touch()
    assert cause(log, 2, unwatched=True) is Cause.ENGINE_LOST
    assert cause(log, 2, unwatched=False) is None
    log.write_text("usage: model [-h]\n")
    assert cause(log, 2, unwatched=True) is None, "the model's own word"


@pytest.mark.parametrize("unwatched", [True, False])
def test_other_exit_codes_are_the_models_own(tmp_path: Path, unwatched: bool) -> None:
    assert cause(tmp_path / "log", 0, unwatched=unwatched) is None
    assert cause(tmp_path / "log", 1, unwatched=unwatched) is None
    killed = cause(tmp_path / "log", 137, unwatched=unwatched, OOMKilled=True)
    assert killed is Cause.OUT_OF_MEMORY
