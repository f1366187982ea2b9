"""Images built by the real engine: what is in them, and what is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from multiverse.engines.docker import DockerEngine
from multiverse.errors import BuildError, ImageMissing, MultiverseError
from multiverse.images.build import BuiltImage, build_model, build_models, labels
from multiverse.images.docker_cli import DockerCli, find_docker
from multiverse.images.locks import PYTORCH_INDEX
from multiverse.images.sdk import PACKAGE
from multiverse.specs.accelerator import model_for
from multiverse.specs.model import ModelSpec

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

#: As an engine runs a job: no network, nothing writable but /tmp, a user the image doesn't know.
CONFINED = ("--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", "12345:54321")

OUTSIDE_DOCKERFILE = """\
ARG BASE_IMAGE
ARG SDK_IMAGE
FROM ${SDK_IMAGE} AS sdk
FROM ${BASE_IMAGE}
RUN --mount=type=secret,id=pip_conf grep -q needle /run/secrets/pip_conf
COPY --from=sdk /opt/multiverse/sdk /opt/multiverse/sdk
COPY __main__.py /opt/multiverse/sdk/multiverse/models/mine/
ENV PYTHONPATH=/opt/multiverse/sdk
ENTRYPOINT ["python", "-m", "multiverse.models.mine"]
"""
MODEL_YAML = """\
name: {name}
version: 1.0.0
title: A trial
image: multiverse-trial-{name}
modalities: {{optional: [rna]}}
"""


@pytest.fixture(scope="module")
def docker() -> DockerCli:
    try:
        client = find_docker()
        client.image("multiverse-pca:1.0.0")
    except MultiverseError as error:
        pytest.skip(f"no Docker engine that can build: {error}")
    return client


@pytest.fixture(scope="module")
def pca(docker: DockerCli) -> BuiltImage:
    return build_model(ModelSpec.load(PACKAGE / "models" / "pca"), tell=print)


def ask(docker: DockerCli, *arguments: str) -> str:
    return subprocess.run(
        [str(docker.path), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=docker.environ,
    ).stdout


def inspect(docker: DockerCli, reference: str) -> dict[str, Any]:
    (found,) = json.loads(ask(docker, "image", "inspect", reference))
    return dict(found)


def in_container(docker: DockerCli, image: str, command: Sequence[str]) -> str:
    first, *rest = command
    return ask(docker, "run", "--rm", *CONFINED, "--entrypoint", first, image, *rest)


def layers(docker: DockerCli, reference: str) -> list[str]:
    return list(inspect(docker, reference)["RootFS"]["Layers"])


def test_labels_come_from_the_models_own_file(docker: DockerCli, pca: BuiltImage) -> None:
    found = inspect(docker, pca.tag)["Config"]["Labels"]
    model = ModelSpec.load(PACKAGE / "models" / "pca")

    assert labels(model).items() <= found.items()
    assert found["org.opencontainers.image.version"] == model.version
    for name in ("title", "licenses", "source", "description"):
        assert found[f"org.opencontainers.image.{name}"]


def test_the_image_runs_confined_as_any_user(docker: DockerCli, pca: BuiltImage) -> None:
    text = in_container(
        docker,
        pca.tag,
        [
            "python",
            "-c",
            "import multiverse.contract, multiverse.worker, mudata, h5py, pathlib\n"
            "assert pathlib.Path(multiverse.contract.__cached__).is_file()\n"
            "print(multiverse.worker.__file__)",
        ],
    )
    assert text.strip() == "/opt/multiverse/sdk/multiverse/worker/__init__.py"


def test_only_the_sdk_and_the_model_are_inside(docker: DockerCli, pca: BuiltImage) -> None:
    place = "/opt/multiverse/sdk/multiverse"
    found = in_container(docker, pca.tag, ["ls", place, f"{place}/models"]).split()

    expected = {"__init__.py", "__pycache__", "contract", "errors.py", "models", "py.typed"}
    expected |= {"worker", "pca", f"{place}:", f"{place}/models:"}
    assert set(found) == expected
    assert not in_container(
        docker, pca.tag, ["find", "/opt/multiverse", "!", "-perm", "-o=r", "!", "-type", "l"]
    )


def test_nothing_of_this_machine_is_inside(docker: DockerCli, pca: BuiltImage) -> None:
    variables = inspect(docker, pca.tag)["Config"]["Env"]
    leftovers = in_container(
        docker,
        pca.tag,
        ["sh", "-c", "ls -A /run/secrets /tmp; cat /etc/pip.conf 2>/dev/null; pip config list"],
    )
    assert leftovers.replace("/run/secrets:", "").replace("/tmp:", "").strip() == ""
    assert not [v for v in variables if v.startswith(("PIP_", "SSL_", "http", "HTTP", "REQUESTS"))]


def test_a_second_build_changes_nothing(docker: DockerCli, pca: BuiltImage) -> None:
    again = build_model(ModelSpec.load(PACKAGE / "models" / "pca"), tell=print)

    assert again.image_id == pca.image_id
    assert again.seconds < 20


@pytest.mark.parametrize(
    ("name", "stack", "library"),
    [
        ("pca", "base", "sklearn"),
        ("mofa", "base", "mofapy2"),
        ("cobolt", "torch", "torch"),
        ("mowgli", "torch", "mowgli.models"),
        ("multivi", "scvi", "scvi.model"),
        ("totalvi", "scvi", "scvi.model"),
    ],
)
def test_a_model_shares_the_layers_of_its_stack(
    docker: DockerCli, name: str, stack: str, library: str
) -> None:
    built = build_model(ModelSpec.load(PACKAGE / "models" / name), tell=print)
    parent = layers(docker, f"multiverse-{stack}:1.0.0")
    base = layers(docker, "multiverse-base:1.0.0")

    assert parent[: len(base)] == base
    assert layers(docker, built.tag)[: len(parent)] == parent
    # What was trimmed away is not needed: the library is imported as a job would.
    code = f"import multiverse.worker.caches as c\nwith c.writable_caches():\n import {library}"
    in_container(docker, built.tag, ["python", "-c", code])


BUILD_PCA = """
import json, sys
from pathlib import Path
import multiverse
from multiverse.images.build import build_model
from multiverse.specs.model import ModelSpec
model = ModelSpec.load(Path(multiverse.__file__).parent / "models" / "pca")
built = build_model(model, tell=lambda event: print(event, file=sys.stderr))
print(json.dumps([built.tag, built.image_id, built.seconds]))
"""


def test_editing_the_sdk_rebuilds_only_the_last_layers(
    docker: DockerCli, pca: BuiltImage, tmp_path: Path
) -> None:
    """In a copy of the package, as somebody who changes the worker would see it."""
    copy = tmp_path / "multiverse"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    yaml = copy / "models" / "pca" / "model.yaml"
    yaml.write_text(yaml.read_text().replace("image: multiverse-pca", "image: multiverse-trial"))

    def build() -> tuple[str, str, float]:
        done = subprocess.run(
            [sys.executable, "-c", BUILD_PCA],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        tag, image_id, seconds = json.loads(done.stdout)
        return tag, image_id, seconds

    tag, first, _ = build()
    before = layers(docker, tag)
    try:
        (copy / "runner" / "__init__.py").write_text('"""Edited."""\n')
        assert build()[1] == first

        worker = copy / "worker" / "__init__.py"
        worker.write_text(worker.read_text() + "# edited\n")
        _, second, seconds = build()
        after = layers(docker, tag)
    finally:
        ask(docker, "image", "rm", "--force", tag)

    shared = sum(1 for old, new in zip(before, after, strict=True) if old == new)
    base = layers(docker, "multiverse-base:1.0.0")
    assert second != first
    # The base, the model's own packages and the untouched contract stay as they are.
    assert shared >= len(base) + 3
    assert seconds < 30


def test_a_model_from_outside_is_built_with_the_hosts_pip_settings_but_without_keeping_them(
    docker: DockerCli, pca: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Dockerfile").write_text(OUTSIDE_DOCKERFILE)
    (folder / "model.yaml").write_text(MODEL_YAML.format(name="mine"))
    (folder / "__main__.py").write_text("import multiverse.worker\nprint('from outside')\n")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://user:needle@127.0.0.1:9/simple")

    (built,) = build_models([ModelSpec.load(folder)], tell=print)
    try:
        assert ask(docker, "run", "--rm", *CONFINED, built.tag) == "from outside\n"
        history = ask(docker, "history", "--no-trunc", built.tag)
        config = json.dumps(inspect(docker, built.tag))
        # The Dockerfile's own line names the needle; the password is not in it.
        assert "user:needle" not in history + config
        assert not contains(docker, built.tag, b"user:needle")
    finally:
        ask(docker, "image", "rm", "--force", built.tag)


def test_no_image_of_another_model_is_replaced(docker: DockerCli, tmp_path: Path) -> None:
    """Whose it is, the label says that every build here gives, whatever a Dockerfile says."""
    models = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "Dockerfile").write_text(
            "FROM scratch\nCOPY model.yaml /\nLABEL multiverse.model=first\n"
        )
        text = MODEL_YAML.format(name=name)
        (folder / "model.yaml").write_text(text.replace(f"trial-{name}", "trial-shared"))
        models.append(ModelSpec.load(folder))
    first, second = models
    built = build_model(first, tell=print)
    try:
        with pytest.raises(BuildError, match="is the image of the model first") as caught:
            build_model(second, tell=print)
        assert f"docker image rm {built.tag}" in str(caught.value.remedy)
        assert inspect(docker, built.tag)["Id"] == built.image_id
        (first.folder / "more").write_text("1")
        assert build_model(first, tell=print).image_id != built.image_id, "its own it replaces"
        ask(docker, "tag", "multiverse-base:1.0.0", built.tag)
        with pytest.raises(BuildError, match="multiverse did not build it"):
            build_model(first, tell=print)
    finally:
        ask(docker, "image", "rm", "--force", built.tag)


def contains(docker: DockerCli, tag: str, needle: bytes) -> bool:
    """Whether the bytes occur anywhere in the image's saved layers and settings."""
    command = [str(docker.path), "save", tag]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=docker.environ) as saved:
        assert saved.stdout is not None
        tail, found = b"", False
        while block := saved.stdout.read(1 << 22):
            found = found or needle in tail + block
            tail = block[-len(needle) :]
    assert saved.returncode == 0
    return found


def test_a_gpu_job_asks_for_the_cuda_image_and_says_how_to_build_it(
    docker: DockerCli, tmp_path: Path
) -> None:
    folder = tmp_path / "absent"
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG ACCELERATOR\n")
    (folder / "requirements-cuda.txt").write_text("torch===2.13.0\n")
    text = MODEL_YAML.format(name="absent") + "resources: {gpu: optional}\n"
    (folder / "model.yaml").write_text(text)
    model = model_for(ModelSpec.load(folder), "cuda:0")

    with pytest.raises(ImageMissing, match=r"multiverse-trial-absent:1\.0\.0-cuda") as caught:
        DockerEngine().prepare(model, build=False, tell=print)
    assert "multiverse build absent --accelerator cuda" in str(caught.value.remedy)


def test_pytorchs_own_index_is_asked_second(docker: DockerCli, tmp_path: Path) -> None:
    """Without any network both fail; the second try is seen to be made."""
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"torch==99.0+cpu --hash=sha256:{'0' * 64}\n")
    script = PACKAGE / "images" / "install-environment.sh"
    mounts = ["-v", f"{script}:/install.sh:ro", "-v", f"{lock}:/lock.txt:ro"]
    command = ["run", "--rm", "--network", "none", "-e", "PIP_RETRIES=0", *mounts]
    done = subprocess.run(
        [str(docker.path), *command, "multiverse-base:1.0.0", "sh", "/install.sh", "/lock.txt"],
        capture_output=True,
        text=True,
        check=False,
        env=docker.environ,
    )
    assert done.returncode != 0
    assert "Trying PyTorch's own index" in done.stderr
    assert PYTORCH_INDEX in done.stdout + done.stderr


def test_a_failing_build_shows_its_reason(docker: DockerCli, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM multiverse-base:1.0.0\nRUN echo the reason is here; exit 7\n"
    )
    (folder / "model.yaml").write_text(MODEL_YAML.format(name="broken"))

    with pytest.raises(BuildError, match="the reason is here") as caught:
        build_model(ModelSpec.load(folder), tell=print)
    assert "the whole log is in" in str(caught.value.remedy)
    assert docker.image("multiverse-trial-broken:1.0.0") is None
