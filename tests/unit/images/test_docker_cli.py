"""Real small programs named ``docker`` stand on PATH; what counts is how they answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.errors import BuildError, EngineUnavailable
from multiverse.images.docker_cli import find_docker


def program(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def client(folder: Path, version: str, *, buildx: bool) -> Path:
    return program(
        folder,
        f"""case "$1" in
            buildx) exit {0 if buildx else 1} ;;
            --version) echo "Docker version {version}, build 1234" ;;
        esac""",
    )


def only(*programs: Path) -> dict[str, str]:
    return {"PATH": ":".join(str(path.parent) for path in programs)}


def test_a_new_client_without_buildx_is_passed_over(tmp_path: Path) -> None:
    new = client(tmp_path / "a", "28.2.2", buildx=False)
    old = client(tmp_path / "b", "20.10.24+dfsg1", buildx=False)

    assert find_docker(only(new, old)).path == old


def test_the_first_that_can_is_taken(tmp_path: Path) -> None:
    new = client(tmp_path / "a", "28.2.2", buildx=True)
    old = client(tmp_path / "b", "20.10.24", buildx=False)

    assert find_docker(only(new, old)).path == new
    assert find_docker(only(old, new)).path == old


@pytest.mark.parametrize("version", ["17.12.0", "18.06.3", "23.0.0", "28.2.2"])
def test_clients_without_buildkit_are_named_in_the_error(tmp_path: Path, version: str) -> None:
    path = client(tmp_path / "a", version, buildx=False)

    with pytest.raises(BuildError, match=version) as caught:
        find_docker(only(path))
    assert str(path) in str(caught.value)
    assert "buildx" in str(caught.value.remedy)


def test_another_program_of_that_name_is_no_client(tmp_path: Path) -> None:
    shim = program(tmp_path / "a", 'test "$1" = --version && echo "podman version 4.3.1"')

    with pytest.raises(BuildError, match="podman"):
        find_docker(only(shim))


def test_a_file_that_can_not_be_executed_is_no_client(tmp_path: Path) -> None:
    path = client(tmp_path / "a", "20.10.24", buildx=True)
    path.chmod(0o644)

    with pytest.raises(BuildError, match="no docker command on PATH"):
        find_docker(only(path))


def test_builds_go_to_the_daemon_that_runs_the_jobs(tmp_path: Path) -> None:
    path = client(tmp_path / "a", "20.10.24", buildx=False)
    environ = {**only(path), "DOCKER_CONTEXT": "elsewhere", "DOCKER_HOST": "unix:///some.sock"}

    chosen = find_docker(environ).environ

    assert chosen["DOCKER_CONTEXT"] == "default"
    assert chosen["DOCKER_HOST"] == "unix:///some.sock"
    assert chosen["DOCKER_BUILDKIT"] == "1"


ANSWERS = """case "$1 $2" in
    "buildx version") exit 0 ;;
    "image inspect") {inspect} ;;
    "build --progress") {build} ;;
esac"""


def test_an_image_that_is_not_there_differs_from_a_daemon_that_is_not_there(
    tmp_path: Path,
) -> None:
    gone = program(
        tmp_path / "a",
        ANSWERS.format(inspect='echo "Error: No such image: x" >&2; exit 1', build=""),
    )
    silent = program(
        tmp_path / "b",
        ANSWERS.format(inspect='echo "Cannot connect to the daemon" >&2; exit 1', build=""),
    )
    assert find_docker(only(gone)).image("x") is None
    with pytest.raises(EngineUnavailable, match="Cannot connect"):
        find_docker(only(silent)).image("x")


def test_a_failed_build_shows_its_last_lines_and_keeps_all(tmp_path: Path) -> None:
    lines = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); done; exit 3"
    path = program(tmp_path / "a", ANSWERS.format(inspect="", build=lines))
    log = tmp_path / "logs" / "build.log"
    shown: list[str] = []

    with pytest.raises(BuildError, match="exit code 3") as caught:
        find_docker(only(path)).build(["."], log=log, show=shown.append)

    assert "line 59" in str(caught.value)
    assert "line 5\n" not in str(caught.value)
    assert str(log) in str(caught.value.remedy)
    assert log.read_text().splitlines() == shown == [f"line {i}" for i in range(60)]
