"""The checks that ask a real daemon, and the container that tells what a job would see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiverse.doctor.clock import check_clock
from multiverse.doctor.container import check_container
from multiverse.doctor.container_probe import LABELS, NoProbe, Probe, probe
from multiverse.doctor.engine import check_engine
from multiverse.doctor.finding import Severity
from multiverse.doctor.images import check_images
from multiverse.doctor.scene import Scene
from multiverse.doctor.versions import check_versions
from multiverse.images.daemon import connect
from multiverse.registry.models import find_models
from tests.conftest import docker_or_skip

pytestmark = pytest.mark.docker


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    docker_or_skip()
    (model,) = find_models(["pca"]).values()
    return Scene(tmp_path / "results", tmp_path / "home", tmp_path / "cache", (model,))


def probe_or_skip(scene: Scene) -> Probe:
    try:
        return probe(scene)
    except NoProbe as problem:
        pytest.skip(str(problem))


def test_a_container_sees_the_folder_writes_as_this_user_and_tells_the_time(
    scene: Scene, tmp_path: Path
) -> None:
    scene.results.mkdir()
    found = probe_or_skip(scene)
    assert (found.seen, found.owner, found.skew) == (True, os.getuid(), 0.0)
    assert {finding.status for finding in check_container(scene)} == {Severity.OK}
    assert list(tmp_path.rglob("*")) == [scene.results], "nothing is left behind"
    filters = {"label": [f"{name}={value}" for name, value in LABELS.items()]}
    assert connect(30).containers(all=True, filters=filters) == []


def test_the_daemon_is_described_as_it_describes_itself(scene: Scene) -> None:
    info = connect(30).info()
    first, *more = check_engine(scene)
    assert info["ServerVersion"] in first.seen
    assert info["Driver"] in first.seen
    assert any("limits on memory" in finding.seen for finding in more) == bool(
        info["MemoryLimit"] and info["SwapLimit"] and info["CpuCfsQuota"] and info["PidsLimit"]
    )
    assert connect(30).version()["ApiVersion"] in list(check_versions(scene))[1].seen


def test_clocks_of_one_machine_agree(scene: Scene) -> None:
    (finding,) = check_clock(scene)
    assert finding.status is Severity.OK
    assert "the daemon and the disk" in finding.seen


def test_an_image_that_is_absent_is_named_with_what_builds_it(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    folder.mkdir()
    (folder / "model.yaml").write_text(
        "{name: absent, version: 1.0.0, title: t, image: no-such-image-anywhere, "
        "modalities: {optional: [rna]}}\n"
    )
    models = tuple(find_models(["absent"], [folder]).values())
    findings = list(check_images(Scene(tmp_path, tmp_path, tmp_path, models)))
    assert findings[0].status is Severity.NOTE
    assert findings[0].seen == "not here: absent"
    assert "multiverse build absent" in findings[0].remedy
