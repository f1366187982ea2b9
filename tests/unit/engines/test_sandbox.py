"""The whole sandbox is asked for, whatever the job; shown on what the daemon is sent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from multiverse.contract import ImageReference
from multiverse.engines.docker import DockerImage, container_options
from multiverse.engines.protocol import Execution, Runtime
from multiverse.registry.models import find_models


def options(tmp_path: Path, volumes: Iterable[str] = (), **changes: Any) -> dict[str, Any]:
    (tmp_path / "data.h5mu").touch()
    content: dict[str, Any] = {
        "runtime": Runtime(
            model=find_models(["pca"])["pca"],
            image=ImageReference(tag="t", digest="d"),
            handle=DockerImage("sha256:image", tuple(volumes)),
        ),
        "data": tmp_path / "data.h5mu",
        "output": tmp_path,
        "log": tmp_path / "log",
        "cpus": 1.5,
        "memory": 2**30,
        "device": "cpu",
        "labels": {"multiverse.run": "x"},
    }
    return container_options(Execution(**{**content, **changes}))


def test_everything_is_closed(tmp_path: Path) -> None:
    asked = options(tmp_path)
    host = asked["host_config"]
    assert asked["user"] == f"{os.getuid()}:{os.getgid()}"
    assert asked["image"] == "sha256:image", "the digest that is recorded is the one that runs"
    assert (host["network_mode"], host["read_only"], host["cap_drop"]) == ("none", True, ["ALL"])
    assert host["security_opt"] == ["no-new-privileges:true"]
    assert host["mem_limit"] == host["memswap_limit"] == 2**30
    assert (host["nano_cpus"], host["pids_limit"] > 0) == (1_500_000_000, True)
    assert [(mount["Target"], mount["ReadOnly"]) for mount in host["mounts"]] == [
        ("/output", False),
        ("/etc/resolv.conf", True),
        ("/input/data.h5mu", True),
    ]
    assert not host["device_requests"]


def test_limits_of_the_kernel(tmp_path: Path) -> None:
    asked = options(tmp_path, max_file_bytes=12345)
    limits = {limit["Name"]: limit for limit in asked["host_config"]["ulimits"]}
    assert (limits["fsize"]["Soft"], limits["fsize"]["Hard"]) == (12345, 12345)
    assert limits["core"]["Hard"] == 0
    assert limits["nofile"]["Hard"] == 4096


def test_memory_is_bounded_however_it_is_filled(tmp_path: Path) -> None:
    host = options(tmp_path)["host_config"]
    assert host["shm_size"] == 1024**3
    assert "size=1g" in host["tmpfs"]["/tmp"]
    assert "nr_inodes=" in host["tmpfs"]["/tmp"]
    assert host["oom_score_adj"] > 0, "where the host is short, the model goes before the runner"


def test_volumes_of_an_image_are_memory_not_disk(tmp_path: Path) -> None:
    volumes = ["/data", "/cache/", "/output", "/tmp", "/input", "//a/./b/../c", "/dev/shm"]
    host = options(tmp_path, volumes)["host_config"]
    assert sorted(host["tmpfs"]) == ["/a/c", "/cache", "/data", "/dev/shm", "/input", "/tmp"]
    assert host["tmpfs"].pop("/input").startswith("ro,")
    assert len(set(host["tmpfs"].values())) == 1


def test_an_images_health_checks_are_not_made(tmp_path: Path) -> None:
    """It may ask for one a millisecond, each a process that the daemon starts."""
    assert options(tmp_path)["healthcheck"] == {"test": ["NONE"]}


def test_nothing_of_the_host_and_its_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not its name, not its environment, not the proxy that Docker's client is set to."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:PASSWORD@proxy")
    asked = options(tmp_path)
    assert asked["hostname"] == "multiverse"
    assert asked["use_config_proxy"] is False
    assert "PASSWORD" not in str(asked)
    resolver = [m for m in asked["host_config"]["mounts"] if m["Target"] == "/etc/resolv.conf"]
    assert [mount["Source"] for mount in resolver] == ["/dev/null"], "no name servers of the host"
    assert asked["host_config"]["ipc_mode"] == "private"


def test_the_defaults_of_the_daemon_stay(tmp_path: Path) -> None:
    """Its seccomp filter, its profile, masked paths, namespaces: nothing of that is loosened."""
    host = options(tmp_path)["host_config"]
    assert not host.keys() & {
        "privileged", "cap_add", "devices", "device_cgroup_rules", "pid_mode", "userns_mode",
        "uts_mode", "sysctls", "oom_kill_disable", "group_add", "volumes_from", "runtime",
    }  # fmt: skip
    assert not any("unconfined" in option for option in host["security_opt"])


def test_the_input_is_mounted_only_if_it_exists(tmp_path: Path) -> None:
    mounts = options(tmp_path, data=tmp_path / "none")["host_config"]["mounts"]
    assert [mount["Target"] for mount in mounts] == ["/output", "/etc/resolv.conf"]


@pytest.mark.parametrize(("device", "ids", "count"), [("cuda", None, 1), ("cuda:3", ["3"], 0)])
def test_a_gpu_only_on_request(
    tmp_path: Path, device: str, ids: list[str] | None, count: int
) -> None:
    (request,) = options(tmp_path, device=device)["host_config"]["device_requests"]
    assert (request["DeviceIDs"] or None) == ids
    assert request["Count"] == count


@pytest.mark.parametrize(("device", "visible"), [("cpu", "void"), ("cuda", "0"), ("cuda:3", "3")])
def test_no_image_says_which_gpus_it_is_given(tmp_path: Path, device: str, visible: str) -> None:
    """NVIDIA's runtime, where it is a daemon's default, reads an image's variables."""
    given = options(tmp_path, device=device)["environment"]
    assert given["NVIDIA_VISIBLE_DEVICES"] == visible
    assert given["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert given["NVIDIA_MOFED"] == given["NVIDIA_GDS"] == "disabled"
