"""Each check finds what is really wrong: folders, disks, clocks and programs are real."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from multiverse.doctor.clock import check_clock, outside
from multiverse.doctor.disk import check_disk
from multiverse.doctor.engine import check_engine
from multiverse.doctor.finding import MachineFinding, Severity
from multiverse.doctor.gpu import check_gpu
from multiverse.doctor.images import check_images
from multiverse.doctor.local_engine import check_local_engine
from multiverse.doctor.memory import check_memory
from multiverse.doctor.mounts import check_mounts, mount_of
from multiverse.doctor.permissions import check_permissions
from multiverse.doctor.scene import Scene, is_local, nearest
from multiverse.doctor.versions import check_versions
from multiverse.specs.model import ModelSpec


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "results", tmp_path / "home", tmp_path / "cache", ())


@pytest.fixture
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


def statuses(findings: Iterable[MachineFinding]) -> list[Severity]:
    return [finding.status for finding in findings]


def make_model(folder: Path, memory: str) -> ModelSpec:
    folder.mkdir()
    (folder / "model.yaml").write_text(
        f"{{name: {folder.name}, version: 1.0.0, title: t, image: {folder.name}, "
        f"modalities: {{optional: [rna]}}, resources: {{memory: {memory}}}}}\n"
    )
    return ModelSpec.load(folder)


def test_folders_that_are_not_there_yet_are_fine_and_nothing_is_left(
    scene: Scene, tmp_path: Path
) -> None:
    (finding,) = check_permissions(scene)
    assert finding.status is Severity.OK
    assert f"{os.getuid()}:{os.getgid()}" in finding.seen
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_has_its_remedy(scene: Scene) -> None:
    """/proc takes no files from anybody, not even from root."""
    broken = Scene(Path("/proc/sys/results"), scene.home, Path("/proc/cache"), ())
    *errors, well = check_permissions(broken)
    assert statuses(errors) == [Severity.ERROR, Severity.ERROR]
    assert "--output" in errors[0].remedy
    assert "MULTIVERSE_CACHE" in errors[1].remedy
    assert well.seen.startswith("home")


def test_a_file_in_the_place_of_a_folder_is_judged_by_what_holds_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert nearest(tmp_path / "file" / "deeper") == tmp_path


@pytest.mark.usefixtures("no_daemon")
def test_disks_are_named_once_with_their_room(scene: Scene) -> None:
    findings = list(check_disk(scene))
    assert findings[0].seen.startswith("results, home, cache: ")
    free = psutil.disk_usage(str(scene.results.parent)).free
    expected = Severity.OK if free > 11 * 1024**3 else Severity.WARNING
    assert free < 11 * 1024**3 or findings[0].status is expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with the given options; needs root."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this user may not mount a file system")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["/bin/umount", str(place)], check=True)


@pytest.mark.usefixtures("no_daemon")
def test_little_room_few_files_and_read_only_are_found(
    scene: Scene, small_disk: Callable[[str], Path]
) -> None:
    little, closed = small_disk("size=64m,nr_inodes=1000"), small_disk("size=64m,ro")
    findings = list(check_disk(Scene(little, closed, scene.cache, ())))
    by_name = [(finding.seen.partition(":")[0], finding.status) for finding in findings]
    assert by_name[:3] == [
        ("results", Severity.WARNING),
        ("results", Severity.WARNING),
        ("home", Severity.ERROR),
    ]
    assert "64.0 MiB" in findings[0].seen
    assert "inodes" in findings[1].seen
    assert "read-only" in findings[2].seen
    assert statuses(check_permissions(Scene(closed, scene.home, scene.cache, ())))[0] is (
        Severity.ERROR
    )


def test_a_place_from_which_nothing_can_be_executed(
    scene: Scene, small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = small_disk("size=1m,noexec")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    found = list(check_mounts(Scene(scene.results, scene.home, place / "cache", ())))
    warned = [finding for finding in found if finding.status is Severity.WARNING]
    assert ["MULTIVERSE_CACHE" in item.remedy for item in warned] == [True, False]
    assert "TMPDIR" in warned[1].remedy
    mount = mount_of(place / "not" / "yet")
    assert mount is not None
    assert (mount.place, mount.kind) == (place, "tmpfs")


@pytest.mark.usefixtures("no_daemon")
def test_a_model_that_asks_for_more_than_there_is(scene: Scene, tmp_path: Path) -> None:
    models = (make_model(tmp_path / "small", "1MiB"), make_model(tmp_path / "vast", "100TiB"))
    findings = list(check_memory(Scene(scene.results, scene.home, scene.cache, models)))
    assert findings[-1].status is Severity.NOTE
    assert findings[-1].seen.startswith("vast ask for more")


def test_clocks_outside_an_interval_are_measured_from_its_nearest_end() -> None:
    assert outside(5.0, 4.0, 6.0) == 0
    assert outside(1.0, 4.0, 6.0) == 3
    assert outside(10.0, 4.0, 6.0) == 4


@pytest.mark.usefixtures("no_daemon")
def test_the_clock_of_this_disk_agrees(scene: Scene) -> None:
    (finding,) = check_clock(scene)
    assert finding.status is Severity.OK
    assert finding.seen.startswith("the disk")


@pytest.mark.usefixtures("no_daemon")
def test_a_disk_with_another_clock_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is a day ahead of the kernel that gives files their times."""
    import time

    real = time.time
    monkeypatch.setattr("multiverse.doctor.clock.time.time", lambda: real() + 86_400)
    (finding,) = check_clock(scene)
    assert finding.status is Severity.WARNING
    assert "86400" in finding.seen or "86399" in finding.seen
    assert "NTP" in finding.remedy


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.usefixtures("no_daemon")
def test_gpus_are_listed_as_their_driver_does(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if not Path("/dev/nvidiactl").exists():
        assert statuses(check_gpu(scene)) == [Severity.OK], "a machine without one is well"
    program(tmp_path, "nvidia-smi", 'echo "0, GPU-1, NVIDIA Test\x1b[2J, 81920"')
    gpu, containers = check_gpu(scene)
    assert (gpu.status, gpu.seen) == (Severity.OK, "0: NVIDIA Test [2J, 80.0 GiB")
    assert containers.status is Severity.NOTE
    program(tmp_path, "nvidia-smi", "echo driver/library version mismatch; exit 18")
    (broken,) = check_gpu(scene)
    assert broken.status is Severity.WARNING
    assert "nvidia-smi lists no GPU" in broken.seen


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("docker", Severity.ERROR), ("local", Severity.NOTE), ("", Severity.WARNING)],
)
@pytest.mark.usefixtures("no_daemon")
def test_no_daemon_is_as_bad_as_what_is_left_without_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, chosen: str, expected: Severity
) -> None:
    monkeypatch.setenv("MULTIVERSE_ENGINE", chosen)
    (finding,) = check_engine(scene)
    assert finding.status is expected
    assert "no Docker daemon answers" in finding.seen


@pytest.mark.usefixtures("no_daemon")
def test_neither_a_daemon_nor_a_python_is_an_error(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty PATH, and uv told to look nowhere else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    assert statuses(check_engine(scene)) == [Severity.ERROR]
    assert statuses(check_local_engine(scene)) == [Severity.OK, Severity.NOTE]
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    assert statuses(check_local_engine(scene)) == [Severity.OK, Severity.WARNING]


def test_the_python_of_models_is_found_and_nothing_is_fetched(scene: Scene) -> None:
    version, python = check_local_engine(scene)
    assert version.seen.startswith("uv ")
    if python.status is Severity.OK:
        path = python.seen.partition(": ")[2]
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        assert said.stdout.startswith("Python 3.11")


@pytest.mark.usefixtures("no_daemon")
def test_versions_and_images_say_what_they_cannot_see(scene: Scene) -> None:
    first, second = check_versions(scene)
    assert sys.executable in first.seen
    assert second.status is Severity.NOTE
    assert statuses(check_images(scene)) == [Severity.NOTE]


def test_a_daemon_elsewhere_is_not_taken_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = os.uname()
    own = {"KernelVersion": here.release, "Name": here.nodename}
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert is_local(own)
    assert not is_local({**own, "KernelVersion": "5.15.49-linuxkit"})
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert not is_local(own)
