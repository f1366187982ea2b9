"""Odd surroundings and what nobody foresaw: a sentence, an exit code, a log; no traceback."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.conftest import write_small
from tests.scenario.conftest import Command, Finished
from tests.third_party import install_engine
from tests.unit.scoring.made import register

OLD = Path(__file__).parents[1] / "data" / "results-1.0"
#: An engine of a third party, which does what ``WAY`` says when it is asked how large it is.
ENGINE = """
    import os, shutil, sys, threading

    def deep(n):
        return deep(n + 1)

    def in_a_thread():
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()

    def finaliser():
        class Thing:
            def __del__(self):
                1 / 0
        Thing()

    class Engine(BareEngine):
        name = "odd"

        def capacity(self):
            exec(os.environ["WAY"])
            return Capacity(8.0, 64 * 1024**3)

        def start(self, execution):
            shutil.move("results", "moved")
            raise FileNotFoundError(2, "No such file or directory", "results/x")
"""


def run(*arguments: object, way: str = "", prefix: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None) -> Finished:  # fmt: skip
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "multiverse", *map(str, arguments)],
        env={**os.environ, "WAY": way, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )
    return Finished(done.returncode, *(text.decode("utf-8") for text in (done.stdout, done.stderr)))


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The arguments of a run on the odd engine; its cache and its results are in ``tmp_path``."""
    install_engine(tmp_path, "odd", ENGINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))
    register(tmp_path / "home")
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "home"))
    return ("run", "--engine", "odd", "--models", "pca", "--dataset", "tiny", "--output", "results")


def logs(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "errors").glob("*.log"))


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("1 / 0", "was not foreseen: ZeroDivisionError: division by zero"),
        ("raise MemoryError", "there is not enough memory"),
        ("deep(0)", "nested too deeply"),
        (r"'\ud800'.encode()", "can't be read or written as utf-8"),
        ("open('/nowhere/at/all')", "/nowhere/at/all: No such file or directory"),
        ("raise BrokenPipeError(32, 'Broken pipe')", "Broken pipe"),
        ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        (r"raise ValueError('\x1b[31mred')", "ValueError:  [31mred"),
    ],
)
def test_what_nobody_foresaw_is_a_sentence_and_a_log(
    odd: tuple[str, ...], tmp_path: Path, way: str, words: str
) -> None:
    done = run(*odd, way=way)
    assert done.code == 5, done.said
    assert words in done.err
    assert "Traceback" not in done.said
    (log,) = logs(tmp_path)
    assert str(log) in done.err
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text()
    assert "Traceback" in text
    assert "odd_engine.py" in text
    assert "tiny" not in text, "arguments may hold a password"


def test_without_a_log_the_traceback_is_shown(odd: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    done = run(*odd, way="1 / 0")
    assert done.code == 5, done.said
    assert "Traceback" in done.err
    assert "no log can be written" in done.err


def test_logs_do_not_pile_up(odd: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "errors"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"20200101T0000{number:02}-1-1.log").write_text("old")
    (folder / "notes.txt").write_text("mine")
    run(*odd, way="1 / 0")
    assert len(logs(tmp_path)) == 20
    assert "ZeroDivisionError" in logs(tmp_path)[-1].read_text()
    assert (folder / "notes.txt").exists()


@pytest.mark.parametrize(("way", "said"), [("in_a_thread()", True), ("finaliser()", False)])
def test_what_escapes_in_a_thread_or_a_finaliser(
    odd: tuple[str, ...], tmp_path: Path, way: str, said: bool
) -> None:
    done = run(*odd, "--dry-run", way=way + "\nraise SystemError('the end')")
    assert "Traceback" not in done.said
    assert ("a part of this command has ended" in done.err) is said
    assert any("ZeroDivisionError" in log.read_text() for log in logs(tmp_path))


def test_results_that_are_moved_meanwhile(odd: tuple[str, ...]) -> None:
    done = run(*odd)
    assert done.code == 5, done.said
    assert "results" in done.err
    assert "Traceback" not in done.said


SHELL = ("/bin/sh", "-c")


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",), ("runs", OLD), ("show", "6ef5", "--results", OLD), ("models", "--json"),
        ("--help",), ("schema", "model"),
    ],
    ids=str,
)  # fmt: skip
def test_streams_that_are_closed_or_full(arguments: tuple[object, ...]) -> None:
    closed = run(*arguments, prefix=(*SHELL, 'exec "$@" >&-', "-"))
    assert (closed.code, closed.said) == (0, "")
    for way in ('exec "$@" >&- 2>&- <&-', 'exec "$@" 2>&-'):
        assert run(*arguments, prefix=(*SHELL, way, "-")).code == 0
    full = run(*arguments, prefix=(*SHELL, 'exec "$@" >/dev/full', "-"))
    assert full.code == 5
    assert full.err.splitlines() == [
        "error: standard output could not be written: No space left on device"
    ]
    gone = run(*arguments, prefix=(*SHELL, '"$@" | :', "-"))
    assert gone.said == ""


def test_an_error_without_a_stream_for_it() -> None:
    done = run("runs", "nowhere", prefix=(*SHELL, 'exec "$@" 2>/dev/full', "-"))
    assert done.code == 5
    done = run("runs", "nowhere", prefix=(*SHELL, 'exec "$@" 2>&-', "-"))
    assert (done.code, done.said) == (5, "")


def test_a_closed_stream_is_not_written_into_a_file(tmp_path: Path) -> None:
    """The next file that is opened would get its number, and what is printed."""
    folder = tmp_path / "results"
    shutil.copytree(OLD, folder)
    done = run("report", folder, prefix=(*SHELL, 'exec "$@" >&- 2>&-', "-"))
    assert done.code == 0
    assert (folder / "report.html").read_bytes().startswith(b"<!doctype html>")
    assert b"report.html" not in (folder / "scores.csv").read_bytes()


LONG = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", LONG), ("status", LONG), ("report", LONG), ("verify", LONG), ("clean", LONG),
        ("track", LONG), ("compare", LONG, LONG), ("evaluate", LONG), ("show", LONG),
        ("show", "1", "--results", LONG), ("report", OLD, "--output", LONG),
        ("register", LONG), ("run", LONG), ("run", "--models", LONG, "--dataset", "a"),
        ("run", "--models", "pca", "--dataset", LONG), ("build", LONG), ("check", LONG),
        ("models", "--models-dir", LONG), ("new-model", LONG), ("new-model", "x", "--into", LONG),
        ("demo", LONG), ("run", "--models", "pca", "--input", LONG),
        ("runs", "a\nb"), ("report", OLD, "--output", "/absent/x"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments))[:30],
)  # fmt: skip
def test_names_that_no_file_can_have(
    multiverse_command: Command, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    shutil.copytree(OLD, tmp_path / "results")
    done = multiverse_command(
        *(tmp_path / "results" if part is OLD else part for part in arguments)
    )
    assert done.code in (2, 3, 5), done.said
    assert done.err.startswith("error: ")
    assert ".html" not in done.err, "a temporary file's name says nothing"


def test_a_column_that_is_named_twice(multiverse_command: Command, tmp_path: Path) -> None:
    """HDF5 holds one member of a name, so that a list with the name twice means that member."""
    path = write_small(tmp_path / "twice.h5ad")
    with h5py.File(path, "a") as file:
        names = np.array(["donor", "donor", "cell_type"], dtype=h5py.string_dtype())
        file["obs"].attrs["column-order"] = names
    done = multiverse_command("register", path, "--batch-key", "donor")
    assert done.code == 0, done.said
    assert "registered twice: 30 cells" in done.out


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"LC_ALL": "C"},
    ],
    ids=str,
)
def test_a_folder_that_the_locale_has_no_letters_for(
    tmp_path: Path, locale: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is bytes, whatever the locale: it works."""
    folder = tmp_path / "ergebnisse-ü-結果"
    source = write_small(tmp_path / "zellen-ü.h5ad")
    monkeypatch.setenv("MULTIVERSE_HOME", str(tmp_path / "home-é"))
    done = run("run", "--models", "pca", "--input", source, "--output", folder, "--engine", "local",
               environment=locale)  # fmt: skip
    assert done.code == 0, done.said
    for command in ("runs", "report", "verify"):
        done = run(command, folder, environment=locale)
        assert done.code == 0, done.said
    assert (folder / "report.html").is_file()


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    source = write_small(tmp_path / "cells.h5ad")
    folder = os.fsencode(tmp_path) + b"/r\xff"
    done = run("run", "--models", "pca", "--input", source, "--output", os.fsdecode(folder))
    assert done.code == 2, done.said
    assert "is no text" in done.err
    assert not os.path.exists(folder)  # noqa: PTH110 - bytes
