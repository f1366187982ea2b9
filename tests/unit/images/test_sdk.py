from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from multiverse.engines.docker import is_outdated
from multiverse.errors import BuildError
from multiverse.images.build import labels
from multiverse.images.context import staged
from multiverse.images.sdk import PACKAGE, content_hash, copy_files, sdk_files, sources_hash
from multiverse.specs.model import ModelSpec

MODEL_YAML = """\
name: mine
version: 1.0.0
title: Mine
image: multiverse-mine
modalities: {optional: [rna]}
"""


@pytest.fixture
def outside(tmp_path: Path) -> ModelSpec:
    """A model in a folder of its own, with everything that must not travel."""
    folder = tmp_path / "mine"
    (folder / "parts" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "tests").mkdir()
    for name in [
        "__main__.py",
        "parts/__init__.py",
        "parts/__pycache__/x.pyc",
        ".git/config",
        ".env",
        "README.md",
        "tests/test_mine.py",
        "Dockerfile",
        "requirements.in",
        "requirements.txt",
    ]:
        (folder / name).write_text("# text\n")
    (folder / "model.yaml").write_text(MODEL_YAML)
    return ModelSpec.load(folder)


@pytest.fixture
def pca() -> ModelSpec:
    return ModelSpec.load(PACKAGE / "models" / "pca")


def test_nothing_of_the_host_runs_beside_a_model(pca: ModelSpec) -> None:
    names = sdk_files(pca)
    tops = {name.parts[1] for name in names}

    assert tops == {"__init__.py", "errors.py", "py.typed", "contract", "worker", "models"}
    assert {name.parts[2] for name in names if name.parts[1] == "models"} == {"__init__.py", "pca"}
    assert PurePosixPath("multiverse/models/pca/__main__.py") in names
    assert all(source.is_file() for source in names.values())


def test_a_model_from_anywhere_becomes_a_module(outside: ModelSpec) -> None:
    place = PurePosixPath("multiverse/models/mine")
    found = {str(n.relative_to(place)) for n in sdk_files(outside) if n.is_relative_to(place)}

    assert found == {"__main__.py", "parts/__init__.py", "model.yaml", "requirements.txt"}


def test_hash_follows_names_and_contents_only(outside: ModelSpec) -> None:
    before = content_hash(sdk_files(outside))
    main = outside.folder / "__main__.py"

    os.utime(main, (1, 1))
    main.chmod(0o600)
    (outside.folder / "Dockerfile").write_text("FROM other\n")
    assert content_hash(sdk_files(outside)) == before

    main.write_text("# tekst\n")
    changed = content_hash(sdk_files(outside))
    main.rename(main.with_name("other.py"))
    assert len({before, changed, content_hash(sdk_files(outside))}) == 3


def test_an_image_follows_its_dockerfile_too(outside: ModelSpec) -> None:
    before = sources_hash(outside)
    image = {"Config": {"Labels": labels(outside)}}
    assert not is_outdated(image, outside)

    (outside.folder / "Dockerfile").write_text("FROM other\n")
    assert sources_hash(outside) != before
    assert is_outdated(image, outside)
    assert not is_outdated({"Config": {"Labels": labels(outside)}}, outside)

    (outside.folder / "README.md").write_text("# other\n")
    assert not is_outdated({"Config": {"Labels": labels(outside)}}, outside)


def test_a_link_to_nothing_is_named(outside: ModelSpec) -> None:
    (outside.folder / "parts" / "weights.bin").symlink_to("/nowhere/weights.bin")

    with pytest.raises(BuildError, match=r"mine/parts/weights\.bin"):
        sdk_files(outside)


def test_a_pipe_is_not_read(outside: ModelSpec) -> None:
    os.mkfifo(outside.folder / "pipe")

    with pytest.raises(BuildError, match="mine/pipe"):
        sdk_files(outside)


def test_a_link_to_a_file_of_the_model_is_that_file(outside: ModelSpec, tmp_path: Path) -> None:
    (outside.folder / "parts" / "text").write_text("linked")
    (outside.folder / "text").symlink_to("parts/text")

    copy_files(sdk_files(outside), tmp_path / "copy")
    copied = tmp_path / "copy" / "multiverse" / "models" / "mine" / "text"
    assert not copied.is_symlink()
    assert copied.read_text() == "linked"


def listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            int(path.stat().st_mtime),
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_copies_are_equal_whatever_the_source_looked_like(
    outside: ModelSpec, tmp_path: Path
) -> None:
    copy_files(sdk_files(outside), tmp_path / "a")
    os.utime(outside.folder / "__main__.py", (1, 1))
    (outside.folder / "__main__.py").chmod(0o600)
    copy_files(sdk_files(outside), tmp_path / "b")

    assert listing(tmp_path / "a") == listing(tmp_path / "b")


def test_settled_files_keep_the_time_that_their_content_gives(
    outside: ModelSpec, tmp_path: Path
) -> None:
    """What the base image compiled for a file stays valid for the same file in a model's image."""
    copy_files(sdk_files(outside), tmp_path / "a")
    before = listing(tmp_path / "a")
    for path in (tmp_path / "a").rglob("*.py"):
        os.utime(path, (1, 1))
    settle = PACKAGE / "images" / "settle.py"
    subprocess.run([sys.executable, str(settle), str(tmp_path / "a")], check=True)
    after = listing(tmp_path / "a")

    assert {name: after[name] for name in before} == before
    assert {name for name in after if name.endswith(".pyc")}


def test_settle_refuses_what_can_not_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    settle = PACKAGE / "images" / "settle.py"
    done = subprocess.run(
        [sys.executable, str(settle), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "can't be compiled" in done.stderr


def test_a_staged_context_is_laid_out_like_the_repository(pca: ModelSpec) -> None:
    with staged(pca) as context:
        files = {path.relative_to(context.folder) for path in context.folder.rglob("*")}
        first = listing(context.folder)
        assert context.dockerfile == context.folder / "multiverse/models/pca/Dockerfile"
    assert not context.folder.exists()

    assert Path("multiverse/models/pca/requirements.txt") in files
    assert Path("multiverse/images/install-environment.sh") in files
    assert not any("__pycache__" in file.parts or file.suffix == ".pyc" for file in files)
    assert not any(file.parts[1:2] in {("runner",), ("cli",), ("engines",)} for file in files)
    with staged(pca) as context:
        assert listing(context.folder) == first


def test_a_model_outside_is_built_from_its_own_folder(outside: ModelSpec) -> None:
    with staged(outside) as context:
        assert context.folder == outside.folder
        assert context.dockerfile == outside.folder / "Dockerfile"
    assert outside.dockerfile.is_file()


@pytest.mark.parametrize("slug", ["pca", "mofa"])
def test_dockerfiles_copy_what_the_sdk_consists_of(slug: str) -> None:
    """A build by hand from the root of the repository must give the same image."""
    text = (PACKAGE / "models" / slug / "Dockerfile").read_text()
    copied = [
        word
        for line in text.splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    ]
    expected = sdk_files(ModelSpec.load(PACKAGE / "models" / slug))

    for name in expected:
        assert any(name.is_relative_to(PurePosixPath(place)) for place in copied), name
    for place in copied:
        assert any(name.is_relative_to(PurePosixPath(place)) for name in expected), place
