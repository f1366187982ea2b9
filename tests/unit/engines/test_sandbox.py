"""The whole sandbox is asked for, whatever the job; shown on what the daemon is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from multiverse.contract import ImageReference
from multiverse.engines.docker import container_options
from multiverse.engines.protocol import Execution, Runtime
from multiverse.registry.models import find_models


def options(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    (tmp_path / "data.h5mu").touch()
    content: dict[str, Any] = {
        "runtime": Runtime(
            model=find_models(["pca"])["pca"],
            image=ImageReference(tag="t", digest="d"),
            handle="sha256:image",
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
        ("/input/data.h5mu", True),
    ]
    assert not host["device_requests"]


def test_the_input_is_mounted_only_if_it_exists(tmp_path: Path) -> None:
    mounts = options(tmp_path, data=tmp_path / "none")["host_config"]["mounts"]
    assert [mount["Target"] for mount in mounts] == ["/output"]


@pytest.mark.parametrize(("device", "ids", "count"), [("cuda", None, 1), ("cuda:3", ["3"], 0)])
def test_a_gpu_only_on_request(
    tmp_path: Path, device: str, ids: list[str] | None, count: int
) -> None:
    (request,) = options(tmp_path, device=device)["host_config"]["device_requests"]
    assert (request["DeviceIDs"] or None) == ids
    assert request["Count"] == count
