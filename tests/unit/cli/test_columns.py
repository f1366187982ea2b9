"""Long tables without rich: aligned, cut on a terminal, and nothing in them is obeyed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from multiverse.cli.columns import print_columns

NAMES = ("dataset", "model", "memory")


def test_columns_are_aligned_without_trailing_space(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["pbmc", "pca", "9 MiB"], ["ä日本", "mofa \x1b[2J", "—"], ["", "x", "10.0 MiB"]]
    print_columns(NAMES, rows, right=["memory"], cut=["dataset"])
    assert capsys.readouterr().out.splitlines() == [
        "dataset  model        memory",
        "pbmc     pca           9 MiB",
        "ä日本    mofa  [2J         —",
        "         x          10.0 MiB",
    ]


def test_on_a_terminal_the_widest_columns_are_cut_until_a_row_fits() -> None:
    code = (
        "from multiverse.cli.columns import print_columns\n"
        f"print_columns({NAMES!r}, [['d' * 50, 'm' * 40, '1.0 GiB']], cut=['dataset', 'model'])"
    )
    reader, writer = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code],
        stdout=writer,
        env={**os.environ, "COLUMNS": "60", "TERM": "xterm"},
        check=True,
    )
    os.close(writer)
    shown = os.read(reader, 65536).decode()
    os.close(reader)
    head, row = shown.splitlines()
    assert head.split() == list(NAMES)
    assert len(row) == 60
    assert row.split() == ["d" * 23 + "…", "m" * 24 + "…", "1.0", "GiB"]
