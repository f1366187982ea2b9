"""``multiverse compare``: printed for people and for machines, exit code 0 whatever differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiverse.cli.main import main
from multiverse.errors import ResultsError
from tests.unit.report.made import keep_failure, make_record, publish_run, scored_folder

AFTER = {"pca": (0.60, 0.70), "mofa": (0.75, 0.60)}


def test_it_says_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = scored_folder(tmp_path / "a"), scored_folder(tmp_path / "b", AFTER)
    keep_failure(after, "totalvi")
    assert main(["compare", str(before.folder), str(after.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(str(before.folder))
    assert "only in A: pbmc (ffffffff): totalvi (not complete in the other: out of memory)" in lines
    assert any(line.startswith("mofa  rank 2 → 1, time 12.5s") for line in lines)
    total = next(line.split() for line in lines if line.startswith("  total") and "better" in line)
    assert total[:6] == ["total", "0.660", "0.690", "+0.030", "±0.000", "better"]
    whole = " ".join(" ".join(lines).split())
    assert "one seed, the training's chance is not known" in whole
    assert not any(line.lstrip().startswith("BRAS") for line in lines)
    assert main(["compare", str(before.folder), str(after.folder), "--all"]) == 0
    assert "BRAS" in capsys.readouterr().out


def test_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = scored_folder(tmp_path / "a"), scored_folder(tmp_path / "b", AFTER)
    assert main(["compare", str(before.folder), str(after.folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    mofa = next(pair for pair in said["pairs"] if pair["label"] == "mofa")
    bio = next(score for score in mofa["scores"] if score["name"] == "bio")
    assert bio["verdict"].startswith("better beyond sampling of cells; one seed")
    assert bio["difference"] == pytest.approx(0.05)


def test_hostile_names_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [scored_folder(tmp_path / name, {}) for name in ("a", "b")]
    hostile = {"x\x1b[31m": "[bold]y[/bold]\n" + "z" * 100_000}
    for number, results in enumerate(folders):
        publish_run(results, make_record(changed=hostile, model_version=f"1\x1b[{number}m"))
    assert main(["compare", *(str(results.folder) for results in folders)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[bold]y[/bold]" in printed
    assert len(printed) < 3000


def test_it_says_which_folder_has_no_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = scored_folder(tmp_path / "a"), scored_folder(tmp_path / "b")
    after.scores("pbmc").unlink()
    assert main(["compare", str(before.folder), str(after.folder)]) == 0
    assert "not scored in B: multiverse evaluate" in capsys.readouterr().out


def test_nothing_in_common(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scored_folder(tmp_path / "a", {"pca": (0.5, 0.5)})
    after = scored_folder(tmp_path / "b", {"mofa": (0.5, 0.5)})
    assert main(["compare", str(before.folder), str(after.folder)]) == 0
    assert "no configuration is in both folders" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "none"), str(after.folder)]) == ResultsError.exit_code
