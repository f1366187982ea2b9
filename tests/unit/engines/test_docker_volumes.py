"""The folders that an image asks for are memory, or the image is refused."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.engines.docker import DockerImage
from multiverse.engines.docker_volumes import (
    MAX_VOLUMES,
    check_folders,
    check_mounts,
    memory_folders,
)
from multiverse.errors import EngineError

#: What no image gets, or may put something in the place of.
REFUSED = (
    "/", "/dev", "/proc", "/sys", "/dev/pts", "/dev/shm/x", "/proc/self", "/sys/fs/cgroup",
    "/input/data.h5mu", "/input/more", "/output/x", "/output/x/y",
)  # fmt: skip
ALLOWED = ("/data", "/tmp", "/tmp/x", "/input", "/output", "/dev/shm", "/devices", "/a/b/c", "/etc")


def spellings(path: str) -> list[str]:
    """The same folder, in ways that a Dockerfile may say it."""
    return [
        path, f"/{path}", f"//{path}", f"{path}/", f"{path}//", f"/.{path}", f"/a/..{path}",
        f"/..{path}", f"{path}/.", f"{path}/x/..", path.replace("/", "//"), f"/a/./..{path}",
    ]  # fmt: skip


@pytest.mark.parametrize("path", REFUSED)
def test_volumes_in_the_place_of_ours_are_refused(path: str) -> None:
    for spelled in spellings(path):
        with pytest.raises(EngineError, match="the image i declares the volume") as refused:
            check_folders("i", ["/data", spelled], "/")
        assert "VOLUME" in str(refused.value.remedy)


@pytest.mark.parametrize("path", ALLOWED)
def test_other_volumes_are_memory(path: str) -> None:
    for spelled in spellings(path):
        check_folders("i", [spelled], "/")
        assert set(memory_folders([spelled])) == {"/tmp", path} - {"/output"}


@pytest.mark.parametrize("path", ["", ".", "..", "data", "dev", "../dev", "./data", " /data", "~"])
def test_relative_volumes_are_refused(path: str) -> None:
    """The daemon mounts them where nobody looks for them: on its disk, beside ours."""
    with pytest.raises(EngineError, match="no absolute path"):
        check_folders("i", [path], "/")


def test_volumes_are_counted() -> None:
    nested = [f"/v{'/x' * depth}" for depth in range(MAX_VOLUMES)]
    check_folders("i", nested, "/")
    assert len(memory_folders(nested)) == MAX_VOLUMES + 1
    with pytest.raises(EngineError, match=r"declares 1,000 volumes, more than 32"):
        check_folders("i", [f"/v{number}" for number in range(1000)], "/")


@pytest.mark.parametrize("folder", ["/output/x", "//output/x/y/", "/a/../output/x"])
def test_a_working_folder_in_the_output_is_refused(folder: str) -> None:
    """Docker makes it there before the model begins, as root: its user could not remove it."""
    with pytest.raises(EngineError, match="has its working folder in the output"):
        check_folders("i", [], folder)


@pytest.mark.parametrize("folder", ["", "/", "/opt/model", "/output", "/output/", "/outputs", "x"])
def test_other_working_folders_are_the_images_own(folder: str) -> None:
    check_folders("i", [], folder)


def test_an_image_is_judged_as_the_daemon_describes_it() -> None:
    inspected = {"Id": "sha256:1", "Config": {"Volumes": {"/data": {}}, "WorkingDir": "/opt"}}
    assert DockerImage.of(inspected, "i") == DockerImage("sha256:1", ("/data",))
    bare = {"Id": "sha256:1", "Config": {"Volumes": None, "WorkingDir": ""}}
    assert DockerImage.of(bare, "i").volumes == ()
    with pytest.raises(EngineError, match="the image i"):
        DockerImage.of({"Id": "1", "Config": {"Volumes": {"//dev/": {}}}}, "i")


def test_a_container_with_a_volume_is_refused_whatever_its_image_said() -> None:
    check_mounts({"Mounts": [{"Type": "bind", "Destination": "/output"}]})
    check_mounts({"Mounts": None})
    with pytest.raises(EngineError, match="volumes on its own disk, which nothing limits: 'data'"):
        check_mounts({"Mounts": [{"Type": "volume", "Destination": "data"}]})


@given(st.lists(st.text(alphabet="/.ab\n:,= ", max_size=12), max_size=5))
def test_whatever_is_declared_is_memory_or_refused(volumes: list[str]) -> None:
    try:
        check_folders("i", volumes, "/")
    except EngineError:
        return
    folders = memory_folders(volumes)
    for volume in volumes:  # as the daemon cleans it
        cleaned = posixpath.normpath(volume).replace("//", "/")
        assert cleaned in {*folders, "/output"}
