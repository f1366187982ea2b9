"""Environments made by the real uv, from a package that the test itself made."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from multiverse.errors import BuildError
from multiverse.events import silent
from multiverse.images import environment
from multiverse.images.environment import MARKER, LockedEnvironment, prepare_environment
from multiverse.specs.accelerator import model_for
from multiverse.specs.model import ModelSpec
from tests.told import notes_into

MODEL_YAML = """\
name: mine
version: 1.0.0
title: Mine
image: multiverse-mine
modalities: {optional: [rna]}
"""


def make_wheel(folder: Path, version: str) -> str:
    """A wheel of the package ``tiny``; returns its line in a lock."""
    folder.mkdir(exist_ok=True, parents=True)
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", f"version = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"tiny=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL_YAML)
    (folder / "__main__.py").write_text("import tiny\nprint('ran with', tiny.version)\n")
    (folder / "requirements.txt").write_text(make_wheel(tmp_path / "wheels", "1.0"))
    # Only pip's settings say where the package is: uv must be told.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return ModelSpec.load(folder)


def prepare(model: ModelSpec, tmp_path: Path) -> LockedEnvironment:
    return prepare_environment(model, cache=tmp_path / "cache", tell=silent)


def run_model(environment: LockedEnvironment) -> str:
    done = subprocess.run(
        [str(environment.python), "-m", "multiverse.models.mine"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PYTHONPATH": str(environment.sdk)},
    )
    return done.stdout


def test_the_model_runs_in_its_environment(model: ModelSpec, tmp_path: Path) -> None:
    environment = prepare(model, tmp_path)

    assert run_model(environment) == "ran with 1.0\n"
    assert not (environment.sdk / "multiverse" / "runner").exists()
    compiled = list(environment.folder.rglob("tiny.*.pyc"))
    assert len(compiled) == 1


def test_the_second_time_nothing_is_made(model: ModelSpec, tmp_path: Path) -> None:
    first = prepare(model, tmp_path)
    marker = (first.folder / MARKER).stat().st_mtime_ns
    said: list[str] = []

    again = prepare_environment(model, cache=tmp_path / "cache", tell=notes_into(said))

    assert again == first
    assert (first.folder / MARKER).stat().st_mtime_ns == marker
    assert said == []


def test_identity_covers_lock_and_sources(model: ModelSpec, tmp_path: Path) -> None:
    first = prepare(model, tmp_path)
    main = model.folder / "__main__.py"
    main.write_text(main.read_text() + "# more\n")
    edited = prepare(model, tmp_path)

    assert edited.lock_hash != first.lock_hash
    assert edited.folder == first.folder

    (model.folder / "requirements.txt").write_text(make_wheel(tmp_path / "wheels", "2.0"))
    locked = prepare(model, tmp_path)
    assert locked.lock_hash not in {first.lock_hash, edited.lock_hash}
    assert locked.folder != first.folder
    assert run_model(locked) == "ran with 2.0\n"
    assert run_model(first) == "ran with 1.0\n"


@pytest.mark.parametrize("damage", ["marker", "python", "half"])
def test_a_broken_environment_is_made_again(model: ModelSpec, tmp_path: Path, damage: str) -> None:
    environment = prepare(model, tmp_path)
    if damage == "marker":
        (environment.folder / MARKER).unlink()
    elif damage == "python":
        environment.python.unlink()
        environment.python.symlink_to(tmp_path / "python-that-was-removed")
    else:
        shutil.rmtree(environment.folder)
        environment.folder.mkdir()
        (environment.folder / "left-by-a-killed-runner").touch()

    assert run_model(prepare(model, tmp_path)) == "ran with 1.0\n"
    assert not (environment.folder / "left-by-a-killed-runner").exists()


def test_two_at_once_make_it_once(model: ModelSpec, tmp_path: Path) -> None:
    said: list[str] = []
    made: list[LockedEnvironment] = []

    def work() -> None:
        made.append(prepare_environment(model, cache=tmp_path / "cache", tell=notes_into(said)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 3
    assert len(set(made)) == 1
    assert sum(line.startswith("Made ") for line in said) == 1
    assert run_model(made[0]) == "ran with 1.0\n"


def test_a_package_with_another_hash_is_refused(model: ModelSpec, tmp_path: Path) -> None:
    (model.folder / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(BuildError, match="tiny") as caught:
        prepare(model, tmp_path)
    assert "mine" in str(caught.value)
    assert not list((tmp_path / "cache" / "environments").glob(f"*/{MARKER}"))


def test_a_model_without_lock_is_named(model: ModelSpec, tmp_path: Path) -> None:
    model.requirements.unlink()

    with pytest.raises(BuildError, match=r"mine has no requirements\.txt"):
        prepare(model, tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [("import tiny\n\ndef (:\n", 3), ("if True:\nprint()\n", 2), ("a = 1\n\x00", None)],
)
def test_a_file_that_is_no_python_is_named_with_its_line(
    model: ModelSpec, tmp_path: Path, text: str, line: int | None
) -> None:
    source = model.folder / "parts.py"
    source.write_text(text)

    with pytest.raises(BuildError, match="mine") as caught:
        prepare(model, tmp_path)
    assert str(source) in str(caught.value)
    assert line is None or f"line {line}" in str(caught.value)
    assert not list((tmp_path / "cache" / "sdk").iterdir())

    source.write_text("")
    assert run_model(prepare(model, tmp_path)) == "ran with 1.0\n"


def test_a_machine_without_the_python_is_told_so(
    model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")

    with pytest.raises(BuildError, match=r"no Python 3\.11") as caught:
        prepare(model, tmp_path)
    assert "--engine docker" in str(caught.value.remedy)


def test_models_with_one_lock_share_one_environment(model: ModelSpec, tmp_path: Path) -> None:
    other = model.folder.with_name("other")
    shutil.copytree(model.folder, other)
    text = (other / "model.yaml").read_text()
    (other / "model.yaml").write_text(text.replace("name: mine", "name: other"))

    first, second = prepare(model, tmp_path), prepare(ModelSpec.load(other), tmp_path)
    assert first.folder == second.folder
    assert first.sdk != second.sdk
    assert first.lock_hash != second.lock_hash


def test_the_cuda_variant_has_an_environment_of_its_own(model: ModelSpec, tmp_path: Path) -> None:
    (model.folder / "model.yaml").write_text(MODEL_YAML + "resources: {gpu: optional}\n")
    lock = make_wheel(tmp_path / "wheels", "2.0")
    (model.folder / "requirements-cuda.txt").write_text(lock)
    model = ModelSpec.load(model.folder)

    cpu, cuda = prepare(model, tmp_path), prepare(model_for(model, "cuda:0"), tmp_path)
    assert run_model(cpu) == "ran with 1.0\n"
    assert run_model(cuda) == "ran with 2.0\n"
    assert cpu.lock_hash != cuda.lock_hash


def test_uv_finds_packages_in_every_place_of_pips_settings(
    model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is in the second of two folders, or of two indexes."""
    second = tmp_path / "more,wheels"
    (model.folder / "requirements.txt").write_text(make_wheel(second, "5.0"))
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'wheels'} {second}")
    assert run_model(prepare(model, tmp_path)) == "ran with 5.0\n"

    (model.folder / "requirements.txt").write_text(make_wheel(tmp_path / "c" / "tiny", "6.0"))
    name = "tiny-6.0-py3-none-any.whl"
    (tmp_path / "c" / "tiny" / "index.html").write_text(f'<a href="{name}">{name}</a>')
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    a, b, c = ((tmp_path / folder).as_uri() for folder in "abc")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", a)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{b} {c}")
    assert run_model(prepare(model, tmp_path)) == "ran with 6.0\n"


@pytest.mark.parametrize("on_the_host", [True, False])
def test_a_cpu_build_comes_from_the_host_or_else_from_pytorchs_index(
    on_the_host: bool, model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host knows an index without it; PyTorch's own is a folder here."""
    index = tmp_path / "pytorch" / "tiny"
    line = make_wheel(tmp_path / "wheels" if on_the_host else index, "3.0+cpu")
    (model.folder / "requirements.txt").write_text(line)
    (tmp_path / "nothing").mkdir()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    if on_the_host:
        monkeypatch.setattr(environment, "PYTORCH_INDEX", (tmp_path / "absent").as_uri())
    else:
        name = "tiny-3.0+cpu-py3-none-any.whl"
        (index / "index.html").write_text(f'<a href="{name.replace("+", "%2B")}">{name}</a>')
        monkeypatch.setattr(environment, "PYTORCH_INDEX", index.parent.as_uri())

    assert run_model(prepare(model, tmp_path)) == "ran with 3.0+cpu\n"
