"""``multiverse check`` as users give it, on both engines; and what only a container can show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from multiverse.cli.main import main
from multiverse.conformance import CheckStatus
from multiverse.engines.docker import DockerEngine
from multiverse.scaffold import write_model_folder
from multiverse.specs.model import ModelSpec
from tests.conftest import docker_or_skip
from tests.unit.conformance.careless import careless_model, check


@pytest.mark.docker
def test_pca_passes_in_its_container(capsys: pytest.CaptureFixture[str]) -> None:
    docker_or_skip()
    code = main(["check", "pca", "--engine", "docker", "--quick", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0, [item for item in report["results"] if item["status"] == "failed"]
    assert report["counts"]["passed"] >= 12
    assert report["resources"]["peak_memory_bytes"] > 10e6
    by_name = {item["name"]: item["status"] for item in report["results"]}
    assert by_name["any user"] == by_name["network"] == by_name["read-only root"] == "passed"


def test_pca_passes_in_its_environment(capsys: pytest.CaptureFixture[str]) -> None:
    checks = ["contract", "determinism", "odd names", "parameters: weighting", "request to end"]
    only = [word for name in checks for word in ("--only", name)]
    code = main(["check", "pca", "--engine", "local", *only])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "pca: nothing to do (5 passed, 0 to read, 0 skipped)" in printed


@pytest.mark.docker
def test_a_new_model_of_several_modules_passes_in_its_container(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its image holds every module, and nothing that ``.dockerignore`` names."""
    docker_or_skip()
    import docker
    from docker.errors import ImageNotFound

    folder = write_model_folder("test_several_modules", tmp_path)
    (folder / "parts").mkdir()
    (folder / "parts" / "least.py").write_text("LEAST_CELLS = 3\n")
    (folder / ".secret").write_text("mine")
    program = folder / "__main__.py"
    imported = "from multiverse.models.test_several_modules.parts.least import LEAST_CELLS"
    program.write_text(program.read_text().replace("LEAST_CELLS = 3", imported))
    client, image = docker.from_env(), ModelSpec.load(folder).image_tag
    try:
        code = main(["check", str(folder), "--engine", "docker", "--only", "contract"])
        assert code == 0, capsys.readouterr().out
        words = ["-A", "/opt/multiverse/sdk/multiverse/models/test_several_modules"]
        listed = client.containers.run(image, words, entrypoint="ls", remove=True).decode().split()
    finally:
        with suppress(ImageNotFound):
            client.images.remove(image, force=True)
    assert {"__main__.py", "parts"} <= set(listed)
    assert not {".secret", "tests", "Dockerfile", "README.md", "requirements.in"} & set(listed)


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSpec]:
    docker_or_skip()
    import docker
    from docker.errors import ImageNotFound

    model = careless_model(tmp_path_factory.mktemp("careless"))
    yield model
    with suppress(ImageNotFound):  # where its build has failed
        docker.from_env().images.remove(model.image_tag, force=True)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("name", "behaviour", "words"),
    [
        ("network", "needs_network", "completes only with a network"),
        ("read-only root", "needs_writable_root", "completes only with a writable root"),
        ("any user", "needs_name", "uid not found"),
    ],
)
def test_what_a_container_forbids_is_named(
    careless: ModelSpec, name: str, behaviour: str, words: str
) -> None:
    result = check(careless, DockerEngine(), behaviour, name).result(name)
    assert result.status is CheckStatus.FAILED, result
    assert words in result.happened
    assert result.to_do


@pytest.mark.docker
def test_a_failure_is_a_to_do(
    careless: ModelSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    code = main([
        "check", str(careless.folder), "--engine", "docker", "--output", str(kept),
        "--only", "contract", "--only", "determinism", "-p", "behaviour=nan",
    ])  # fmt: skip
    printed = capsys.readouterr().out
    assert code == 1, printed
    assert "TO DO   contract" in printed
    assert "to do: Mend each: embeddings.h5: 'latent' has NaN or infinite values" in printed
    assert "careless: 1 to do: contract" in printed
    assert list(kept.glob("runs/usual/attempts/*/1/container.log"))
    assert main(["check", str(careless.folder), "--output", str(kept)]) == 2


def test_requests_that_make_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["check"],
        ["check", "pca", "--only", "no such check"],
        ["check", "pca", "-p", "n_components=0"],
        ["check", "pca", "-p", "no_such=1"],
        ["check", "pca", "--time-limit", "soon"],
    ):
        assert main([*words, "--engine", "local"] if words[1:] else words) == 2
        assert "error: " in capsys.readouterr().err
