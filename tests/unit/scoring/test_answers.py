"""The held-out labels that belong to runs: by what they saw, not by what stands under the name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multiverse.errors import DatasetError
from multiverse.facts import Cause, RunState
from multiverse.registry.datasets import DatasetFolder, RegisteredDataset
from multiverse.runs.run import Run
from multiverse.scoring.answers import Cohort, cohorts_of, find_answers, label_notes
from tests.unit.scoring.made import make_data, make_record, register


def found(dataset: RegisteredDataset, **changes: object) -> Run:
    return Run(make_record(dataset, **changes), Path("anywhere"))  # type: ignore[arg-type]


def cohort(dataset: RegisteredDataset) -> Cohort:
    return Cohort(dataset.record.slug, dataset.record.fingerprint, ())


def labels(kind: str) -> list[str]:
    return [f"{kind}-{number % 3}" for number in range(120)]


def test_runs_are_parted_by_dataset_and_by_what_they_saw(tiny: RegisteredDataset) -> None:
    other = "0" * 64
    runs = [
        found(tiny),
        found(tiny, dataset_fingerprint=other),
        found(tiny, dataset_fingerprint=other, seed=1),
        found(tiny, state=RunState.FAILED, cause=Cause.MODEL_ERROR, seed=2),
    ]
    first, second = cohorts_of(runs)
    assert (first.dataset, first.fingerprint, len(first.runs)) == ("tiny", other, 2)
    assert second.runs == (runs[0],)
    assert cohorts_of([]) == []


def test_the_version_in_use_is_taken_where_it_has_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    versions = [register(home, data=make_data(cell_type=labels(k)), replace=True) for k in "abc"]
    assert len({item.record.fingerprint for item in versions}) == 1
    current = DatasetFolder("tiny", home).current
    for version in versions:
        current.write_text(version.folder.name)
        assert find_answers(cohort(versions[0])) == version


def test_otherwise_the_one_registered_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    versions = [register(home, data=make_data(cell_type=labels(k)), replace=True) for k in "ab"]
    for version, year in zip(versions, (2031, 2030), strict=True):
        record = json.loads(version.record_file.read_text())
        record["registered_at"] = f"{year}-01-01T00:00:00+00:00"
        version.record_file.chmod(0o644)
        version.record_file.write_text(json.dumps(record))
    register(home, data=make_data(60), replace=True)
    assert find_answers(cohort(versions[0])).folder == versions[0].folder


def test_a_damaged_version_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    good = register(home)
    bad = register(home, data=make_data(cell_type=labels("x")), replace=True)
    bad.record_file.chmod(0o644)
    bad.record_file.write_text("{")
    assert find_answers(cohort(good)).folder == good.folder
    DatasetFolder("tiny", home).current.unlink()
    assert find_answers(cohort(good)).folder == good.folder


def test_data_that_are_not_here_are_a_clear_error(tiny: RegisteredDataset) -> None:
    unknown = Cohort("tiny", "0123456789abcdef" * 4, ())
    with pytest.raises(
        DatasetError, match=r"tiny: the data of these runs \(0123456789abcdef…\)"
    ) as e:
        find_answers(unknown)
    assert "multiverse register FILE --slug tiny" in str(e.value.remedy)
    with pytest.raises(DatasetError, match="nobody: the data"):
        find_answers(Cohort("nobody", tiny.record.fingerprint, ()))


def test_an_answer_sheet_that_is_gone_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own-home"
    monkeypatch.setenv("MULTIVERSE_HOME", str(home))
    dataset = register(home)
    dataset.labels.unlink()
    expected = r"labels\.h5ad is missing, so there are no held-out labels to score against"
    with pytest.raises(DatasetError, match=expected):
        find_answers(cohort(dataset))


def test_labels_that_read_like_none_are_pointed_out() -> None:
    counts = {"B cell": 10, "Unknown": 1200, " nan ": 2, "doublet": 3, "unknowns": 1}
    notes = label_notes(counts, ["doublet"])
    assert [note.split(" counts as")[0] for note in notes] == [
        "the label 'Unknown' (1,200 cells)",
        "the label ' nan ' (2 cells)",
    ]
    assert "--unlabelled 'Unknown'" in notes[0]
    assert label_notes(counts, counts) == []
