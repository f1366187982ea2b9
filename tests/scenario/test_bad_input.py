"""Bad input: a clear error, an exit code, nothing lost and nothing left over."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import anndata
import numpy as np
import pytest

from tests.conftest import write_small
from tests.scenario.conftest import Command


def short_form(source: Path, output: Path, *more: object) -> list[object]:
    return [
        "run",
        "--models",
        "pca",
        "--input",
        source,
        "--output",
        output,
        "--engine",
        "local",
        *more,
    ]


def test_files_that_are_no_datasets(multiverse_command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.h5ad").touch()
    (tmp_path / "corrupt.h5mu").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    (tmp_path / "text.h5ad").write_text("hello")
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "folder.h5ad").mkdir()
    for name in (
        "missing.h5ad",
        "empty.h5ad",
        "corrupt.h5mu",
        "text.h5ad",
        "table.csv",
        "folder.h5ad",
    ):
        done = multiverse_command(*short_form(tmp_path / name, tmp_path / "out"))
        assert done.code in (2, 3), done.said
        assert name in done.err
        assert not (tmp_path / "out").exists()


def test_normalised_values_only(multiverse_command: Command, tmp_path: Path) -> None:
    cells = anndata.read_h5ad(write_small(tmp_path / "raw.h5ad"))
    cells.X = np.log1p(cells.X.toarray())
    cells.write_h5ad(tmp_path / "norm.h5ad")
    done = multiverse_command(*short_form(tmp_path / "norm.h5ad", tmp_path / "out"))
    assert done.code == 3, done.said
    assert "--layer" in done.err


def test_duplicate_cells_and_missing_columns(multiverse_command: Command, tmp_path: Path) -> None:
    cells = anndata.read_h5ad(write_small(tmp_path / "raw.h5ad"))
    done = multiverse_command(
        *short_form(tmp_path / "raw.h5ad", tmp_path / "out", "--batch-key", "doner")
    )
    assert done.code == 3
    assert "donor" in done.err, "the nearest column is named"
    cells.obs_names = ["same"] * cells.n_obs
    cells.write_h5ad(tmp_path / "twice.h5ad")
    done = multiverse_command(*short_form(tmp_path / "twice.h5ad", tmp_path / "out"))
    assert done.code == 3
    assert "same" in done.err


@pytest.mark.parametrize("slug", ["../up", "a b", "'a'; echo x", '"', "x" * 300, "$(id)"])
def test_hostile_slugs(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path, slug: str
) -> None:
    done = multiverse_command("register", small_h5ad, "--slug", slug)
    assert done.code in (2, 3), done.said
    assert "slug" in done.err
    assert not list((tmp_path / "home").rglob("*.h5mu"))


def test_unknown_model_and_parameter(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    done = multiverse_command("run", "--models", "mofaa", "--input", small_h5ad)
    assert done.code == 2
    assert "did you mean 'mofa'" in done.err
    done = multiverse_command(*short_form(small_h5ad, tmp_path / "out", "-p", "pca.n_comp=3"))
    assert done.code == 2
    assert "n_components" in done.err
    done = multiverse_command(*short_form(small_h5ad, tmp_path / "out", "-p", "pca.n_components=x"))
    assert done.code == 2
    assert "not of type 'integer'" in done.err


def test_a_wrong_benchmark_file(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    path = tmp_path / "benchmark.yaml"
    path.write_text(
        f"datasets:\n  - path: {small_h5ad}\n  - nobody\nmodels:\n  - model: pca\n"
        "    parameters: {n_comp: 1}\n  - pcaa\n  - mofa\n  - mofa\n"
    )
    done = multiverse_command("run", path)
    assert done.code == 2
    for line in (3, 6, 7, 9):
        assert f"benchmark.yaml:{line}:" in done.err, done.err
    path.write_text("datasets: [a\nmodels: b")
    assert multiverse_command("run", path).code == 2


def described(place: Path, name: str, more: str = "") -> Path:
    """A folder of models with one that somebody else wrote."""
    folder = place / f"{name}-models" / name
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "model.yaml").write_text(
        f"name: {name}\nversion: 1.0.0\ntitle: t\nimage: {name}\n"
        f"modalities: {{optional: [rna]}}\n{more}"
    )
    return folder.parent


ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
REMOTE = "parameters: {type: object, properties: {x: {$ref: 'http://127.0.0.1:9/x', default: 1}}}\n"


def test_models_of_a_stranger(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    """Every command that takes a folder of models says what is wrong with them."""
    for name, more, words in (
        ("bomb", ALIASES, "means more than"),
        ("remote", REMOTE, "nothing is fetched"),
        ("taker", "image: multiverse-evaluate\n", "duplicate key"),
    ):
        place = described(tmp_path, name, more)
        for command in (
            ["models", "--models-dir", place],
            ["models", name, "--json", "--models-dir", place],
            ["build", name, "--models-dir", place],
            ["check", name, "--models-dir", place, "--engine", "local"],
            ["clean", tmp_path, "--models-dir", place],
            ["run", "--models", name, "--models-dir", place, "--input", small_h5ad, "--dry-run"],
        ):
            done = multiverse_command(*command)
            assert done.code == 2, (command, done.said)
            assert words in done.err, (command, done.said)
            assert f"{name}/model.yaml:" in done.err


def test_what_a_stranger_says_of_a_model_obeys_no_terminal(
    multiverse_command: Command, tmp_path: Path
) -> None:
    odd = r"\e[31mred\e]0;t\a\u009b2J\u202e\r[bold]"
    place = described(
        tmp_path,
        "odd",
        f'description: "{odd}"\nlicence: "{odd}"\n'
        f'citation: {{authors: "{odd}", title: "{odd}", journal: j, year: 1, doi: "{odd}"}}\n'
        f'parameters: {{type: object, properties: {{"{odd}": {{default: "{odd}", '
        f'description: "{odd}", type: string}}}}}}\n',
    )
    yaml = place / "odd" / "model.yaml"
    yaml.write_text(yaml.read_text().replace("title: t", f'title: "{odd}"'))
    for command in (
        ["models"],
        ["models", "odd"],
        ["models", "--json"],
        ["models", "odd", "--json"],
    ):
        done = multiverse_command(*command, "--models-dir", place)
        assert done.code == 0, done.said
        assert "red" in done.out
        assert not [mark for mark in "\x1b\a\x9b\u202e\r" if mark in done.said]


def test_a_fork_of_a_built_in_model_is_said(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    place = described(tmp_path, "pca")
    (place / "pca" / "model.yaml").write_text(
        (place / "pca" / "model.yaml").read_text().replace("image: pca", "image: my-pca")
    )
    said = f"pca is the model in {place / 'pca'}, not the built-in pca"
    for command, code in (
        (["models", "--models-dir", place], 0),
        (["models", "pca", "--models-dir", place], 0),
        (["models", "--json", "--models-dir", place], 0),
        (["clean", tmp_path, "--models-dir", place], 0),
        ([*short_form(small_h5ad, tmp_path / "out", "--models-dir", place), "--dry-run"], 4),
        (short_form(small_h5ad, tmp_path / "out", "--models-dir", place), 4),
    ):
        done = multiverse_command(*command)
        assert said in " ".join(done.said.split()), (command, done.said)
        assert done.code in (code, 0), done.said


def test_a_benchmark_that_is_a_pipe_or_has_no_end(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    """A user may write ``<(…)``; what comes is bounded all the same."""
    text = f"datasets: [{{path: {small_h5ad}}}]\nmodels: [nobody]\n"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        ["/usr/bin/tee", str(pipe)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as tee:
        assert tee.stdin is not None
        tee.stdin.write(text.encode())
        tee.stdin.close()
        done = multiverse_command("run", pipe)
    assert done.code == 2
    assert "there is no model 'nobody'" in done.err
    for path in ("/dev/zero", tmp_path, "/proc/self/mem"):
        done = multiverse_command("run", path)
        assert done.code == 2, done.said
        assert "can't be read" in done.err
    assert multiverse_command("run", write(tmp_path / "bomb.yaml", ALIASES)).code == 2
    many = ", ".join(map(str, range(30_000)))
    parameters = ", ".join(f"{{n_components: {n}}}" for n in range(2, 20))
    text = f"datasets: [{{path: {small_h5ad}}}]\nseeds: [{many}]\n"
    text += f"models: [{{model: pca, parameters: [{parameters}]}}]\n"
    done = multiverse_command("run", write(tmp_path / "wide.yaml", text))
    assert done.code == 2, done.said
    assert "at most 500,000" in done.err


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_output_without_permission(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    """A closed folder; root, for whom none is closed, gets a read-only disk instead."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with mounted(closed, "ro") if os.getuid() == 0 else nullcontext():
        done = multiverse_command(*short_form(small_h5ad, closed / "out"))
    assert done.code == 5, done.said
    assert "can't be written" in done.err


def test_output_that_is_a_file_or_cannot_be_made(
    multiverse_command: Command, small_h5ad: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    done = multiverse_command(*short_form(small_h5ad, tmp_path / "file"))
    assert done.code == 5
    assert (tmp_path / "file").read_text() == "mine"
    done = multiverse_command(*short_form(small_h5ad, Path("/proc/out")))
    assert done.code == 5, done.said


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own at a folder, which only root may make."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.getuid() != 0 or mount is None or umount is None:
        pytest.skip("only root may mount a small disk")
    subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


def test_a_full_disk(multiverse_command: Command, tmp_path: Path) -> None:
    """Nothing half-written is published, and the command goes on when there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "size=2m"):
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 1_800_000)
        source = write_small(tmp_path / "cells.h5ad", n_cells=2000, n_genes=30)
        done = multiverse_command(*short_form(source, disk / "out"))
        assert done.code == 5, done.said
        assert "1 job waits" in done.said, "with less than the reserve nothing is started"
        done = multiverse_command(*short_form(source, disk / "out"), "--min-free", "0")
        assert done.code in (1, 5), done.said
        assert "No space left" in done.said or "is full" in done.said
        assert not list((disk / "out").glob("cells/*/*"))
        ballast.unlink()
        done = multiverse_command(*short_form(source, disk / "out"), "--min-free", "0")
        assert done.code == 0, done.said


def test_no_daemon_and_no_image(
    multiverse_command: Command,
    small_h5ad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    command = ["run", "--models", "pca", "--input", small_h5ad, "--output", tmp_path / "out"]
    done = multiverse_command(*command, "--engine", "docker")
    assert done.code == 4
    assert "--engine local" in done.err
    done = multiverse_command(*command)
    assert done.code == 0, done.said
    assert done.out.count("engine: local, because no Docker daemon answers") == 1
    assert "environment only" in done.out


@pytest.mark.docker
def test_a_missing_image(multiverse_command: Command, small_h5ad: Path, tmp_path: Path) -> None:
    from tests.conftest import docker_or_skip

    docker_or_skip()
    model = tmp_path / "models" / "ghost"
    model.mkdir(parents=True)
    (model / "model.yaml").write_text(
        "name: ghost\nversion: 1.0.0\ntitle: Ghost\nimage: multiverse-ghost\n"
        "modalities: {optional: [rna]}\n"
    )
    done = multiverse_command(
        "run", "--models", "ghost", "--input", small_h5ad, "--models-dir", model,
        "--engine", "docker",
    )  # fmt: skip
    assert done.code == 4
    assert "multiverse-ghost:1.0.0" in done.err
    done = multiverse_command(
        "run", "--models", "ghost", "--input", small_h5ad, "--models-dir", model,
        "--engine", "local",
    )  # fmt: skip
    assert done.code == 4
    assert "requirements.txt" in done.err


def test_arguments_that_make_no_sense(multiverse_command: Command, small_h5ad: Path) -> None:
    for arguments in (
        ["run"],
        ["run", "--models", "pca"],
        ["run", "--models", "pca", "--input", small_h5ad, "-p", "n_components=3"],
        ["run", "--models", "pca", "--input", small_h5ad, "--memory", "lots"],
        ["run", "--models", "pca", "--input", small_h5ad, "--seeds", "-1"],
        ["run", "--models", "pca", "--input", small_h5ad, "--engine", "podman"],
        ["run", "--models", "pca", "--input", small_h5ad, "--device", "cuda"],
        ["run", "--models", "pca", "--input", small_h5ad, "--jobs", "0"],
        ["run", "--models", "pca", "--dataset", "nobody"],
        ["run", "--models", "pca", "--dataset", "nobody", "--batch-key", "donor"],
        ["run", "--models", "pca", "--input", small_h5ad, "--cpus", "inf"],
        ["run", "--models", "pca", "--input", small_h5ad, "--job-cpus", "inf"],
        ["run", "--models", "pca", "--input", small_h5ad, "--job-memory", "lots"],
        ["run", "--models", "pca", "--input", small_h5ad, "--gpus", "7"],
        ["build"],
        ["build", "nobody"],
        ["show", "0123", "--results", small_h5ad.parent],
    ):
        done = multiverse_command(*arguments)
        assert done.code == 2, (arguments, done.said)
        assert done.err
    assert multiverse_command("runs", "nowhere").code == 5
