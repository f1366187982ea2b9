"""The store in the results folder itself: no server, nothing to set up."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from multiverse.errors import ResultsError, UsageError
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import ScoresFile, Sheet
from multiverse.runs.table import write_table
from multiverse.tracking import default_uri, track
from multiverse.verify.verify import verify_results
from tests.unit.tracking.made import publish_tracked, score

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from multiverse.tracking.store import Refused, Store

#: What tags that come from scores begin with.
OF_SCORES = (
    "score_reason.", "multiverse.coverage.", "multiverse.evaluator",
    "multiverse.labels_fingerprint", "multiverse.label_key", "multiverse.batch_key",
)  # fmt: skip
#: Where the package is imported from, whatever comes first on the path.
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    """Its name holds what a URI and a path don't mean the same by."""
    return ResultsFolder(tmp_path / "my results #1 %41 é")


def test_runs_are_copied_and_read_from_there(
    results: ResultsFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = publish_tracked(results)
    score(results, [folder.run_id])
    assert track(Results.open(results)).copied == 1
    assert track(Results.open(results)).present == 1
    assert capfd.readouterr() == ("", ""), "nothing but news is said"
    uri = default_uri(results, {})
    assert uri is not None
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("pilot")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["score.total"] == 0.5
    copied = Path(client.download_artifacts(run.info.run_id, "embeddings.h5"))
    assert copied.read_bytes() == b"latent"
    (there,) = (results.folder / ".mlflow-artifacts").rglob("embeddings.h5")
    assert there.read_bytes() == b"latent"


def test_the_store_does_not_look_like_runs(results: ResultsFolder) -> None:
    """Copies of ``run.json`` lie in it, as deep as those of runs."""
    publish_tracked(results)
    write_table(Results.open(results))
    before = Results.open(results)
    track(Results.open(results))
    assert Results.open(results) == before
    assert verify_results(results).differences == ()


def test_a_folder_that_was_moved_says_what_to_do(results: ResultsFolder, tmp_path: Path) -> None:
    publish_tracked(results)
    track(Results.open(results))
    moved = ResultsFolder(results.folder.rename(tmp_path / "moved"))
    publish_tracked(moved, 1)
    tracked = track(Results.open(moved))
    assert len(tracked.failed) == 2
    assert "remove mlflow.db and .mlflow-artifacts" in tracked.failed[0].reason
    assert not results.folder.exists(), "nothing is written to the old place"
    moved.tracking.unlink()
    shutil.rmtree(moved.folder / ".mlflow-artifacts")
    command = [sys.executable, "-m", "multiverse", "track", str(moved.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 copied" in done.stdout


def test_a_damaged_store_is_named_and_nothing_lost(results: ResultsFolder) -> None:
    publish_tracked(results)
    results.tracking.write_bytes(b"not a database" * 100)
    (failed,) = track(Results.open(results)).failed
    assert "not a database" in failed.reason


def test_damaged_scores_and_records_don_t_keep_runs_from_being_copied(
    results: ResultsFolder,
) -> None:
    publish_tracked(results, 0)
    damaged = publish_tracked(results, 1)
    damaged.record.chmod(0o644)
    damaged.record.write_text("{")
    score(results, []).write_text("{}")
    tracked = track(Results.open(results))
    assert (tracked.copied, tracked.failed) == (1, ())
    assert [any(word in note for note in tracked.notes) for word in ("run.json", "scores.json")]
    assert len(tracked.notes) == 2


#: To be run where the runs' files are looked for in a folder of somebody else.
TRIGGER = """
CREATE TRIGGER t AFTER INSERT ON runs BEGIN
UPDATE runs SET artifact_uri = 'file://{private}' WHERE run_uuid = new.run_uuid; END
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (TRIGGER, "holds a trigger"),
        (
            "DROP TABLE trace_tags; CREATE VIEW trace_tags AS WITH RECURSIVE n(i) AS "
            "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            "holds a view",
        ),
        ("CREATE VIRTUAL TABLE more USING fts5(words)", "holds a virtual table"),
        ("UPDATE runs SET artifact_uri = 'file://{private}'", ""),
        (
            "UPDATE experiments SET artifact_location = "
            "replace(artifact_location, 'file://', 'ftp://127.0.0.1:9')",
            "",
        ),
    ],
)  # fmt: skip
def test_a_strangers_store_leads_nowhere(
    results: ResultsFolder, tmp_path: Path, code: str, said: str
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    publish_tracked(results)
    track(Results.open(results))
    with closing(sqlite3.connect(results.tracking)) as database:
        database.executescript(code.format(private=private))
    publish_tracked(results, 1)
    failed = track(Results.open(results)).failed
    assert [said in item.reason for item in failed] == ([True, True] if said else [])
    assert list(private.iterdir()) == []


def test_files_go_where_the_store_is_whatever_it_says(
    results: ResultsFolder, tmp_path: Path
) -> None:
    """A link in the store's folder, under the next run's id, can't be foreseen; its parts can."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "embeddings.h5").write_text("mine")
    publish_tracked(results)
    results.tracked_files.mkdir()
    store = Store(default_uri(results, {}) or "", results.tracked_files.absolute())
    (results.tracked_files / "0123").symlink_to(private)
    files = tmp_path / "files"
    files.mkdir()
    (files / "embeddings.h5").write_text("theirs")
    with pytest.raises(OSError, match="symbolic link"):
        store._send("0123", files)
    with pytest.raises(Refused):
        store._send("../../private", files)
    assert (private / "embeddings.h5").read_text() == "mine"


def test_an_empty_folder_and_none(results: ResultsFolder) -> None:
    with pytest.raises(ResultsError, match="is not a results folder"):
        track(Results.open(results))
    results.folder.mkdir()
    tracked = track(Results.open(results))
    assert tracked.complete
    assert tracked.summary.endswith("no finished runs")


def test_loggers_are_as_they_were(results: ResultsFolder) -> None:
    publish_tracked(results)
    track(Results.open(results))
    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic", "urllib3")}
    track(Results.open(results))
    assert {name: logging.getLogger(name).level for name in levels} == levels
    assert logging.CRITICAL not in levels.values()


def test_a_user_without_the_extra_is_told_so(
    results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_tracked(results)
    without = [path for path in sys.path if not (Path(path) / "mlflow").is_dir()]
    monkeypatch.setattr(sys, "path", without)
    monkeypatch.delitem(sys.modules, "mlflow")
    assert default_uri(results, {}) is None
    for uri in (None, "http://127.0.0.1:9"):
        with pytest.raises(UsageError, match="not installed") as caught:
            track(Results.open(results), uri)
        assert caught.value.remedy is not None
        assert "pip install mlflow" in caught.value.remedy


def only_run(results: ResultsFolder) -> Run:
    uri = default_uri(results, {})
    assert uri is not None
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("pilot")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_scores_that_have_gone_go_from_mlflow_too(results: ResultsFolder) -> None:
    folder = publish_tracked(results)
    track(Results.open(results))
    before = only_run(results).data
    score(results, [folder.run_id])
    track(Results.open(results))
    assert "score.total" in only_run(results).data.metrics
    score(results, [])
    assert track(Results.open(results)).updated == 1
    data = only_run(results).data
    assert (data.metrics, data.params) == (before.metrics, before.params)
    assert data.tags == before.tags, "among them what tells of other scores"
    assert not [name for name in data.metrics if name.startswith("score.")]
    assert not [name for name in data.tags if name.startswith(OF_SCORES)]
    assert data.metrics["resource/wall_seconds"] == 7.5
    assert track(Results.open(results)).present == 1
    score(results, [folder.run_id])
    assert track(Results.open(results)).updated == 1
    results.scores("pbmc").unlink()
    assert track(Results.open(results)).updated == 1
    (there,) = (results.folder / ".mlflow-artifacts").rglob("embeddings.h5")
    assert only_run(results).info.run_id in there.parts, "of the copies before it no file is left"


def test_scores_that_can_t_be_read_change_nothing(results: ResultsFolder) -> None:
    folder = publish_tracked(results)
    score(results, [folder.run_id])
    track(Results.open(results))
    results.scores("pbmc").write_text("{")
    assert track(Results.open(results)).present == 1
    assert "score.total" in only_run(results).data.metrics


@pytest.mark.parametrize(
    ("tag", "value", "outcome"),
    [
        ("multiverse.digest", "of an earlier version", "updated"),
        ("multiverse.copied", "in part", "copied"),
    ],
)
def test_a_copy_that_differs_is_made_anew(
    results: ResultsFolder, tag: str, value: str, outcome: str
) -> None:
    publish_tracked(results)
    track(Results.open(results))
    first = only_run(results)
    client = MlflowClient(str(default_uri(results, {})))
    client.set_tag(first.info.run_id, tag, value)
    again = track(Results.open(results))
    assert again.summary.endswith(f"1 {outcome}")
    second = only_run(results)
    assert second.info.run_id != first.info.run_id
    assert second.data.to_dictionary() == first.data.to_dictionary()
    assert client.get_run(first.info.run_id).info.lifecycle_stage == "deleted"
    assert track(Results.open(results)).present == 1


def test_what_was_scored_and_how_is_a_tag(results: ResultsFolder) -> None:
    folder = publish_tracked(results)
    path = score(results, [folder.run_id])
    (evaluation,) = ScoresFile.read(path).evaluations

    def rescored(fingerprint: str | None, sheet: Sheet, **settings: int) -> dict[str, str]:
        evaluator = evaluation.evaluator.model_copy(update={"settings": settings})
        facts = {"labels_fingerprint": fingerprint, "sheet": sheet, "evaluator": evaluator}
        changed = (evaluation.model_copy(update=facts),)
        path.write_text(ScoresFile(dataset="pbmc", evaluations=changed).to_json())
        track(Results.open(results))
        return dict(only_run(results).data.tags)

    tags = rescored("a" * 64, Sheet(label_key="cell_type", batch_key="donor"), replicates=200)
    assert tags["multiverse.labels_fingerprint"] == "a" * 64
    assert tags["multiverse.label_key"] == "cell_type"
    assert tags["multiverse.batch_key"] == "donor"
    assert tags["multiverse.evaluator.settings"] == '{"replicates": 200}'
    tags = rescored(None, Sheet(label_key="cell_type"), replicates=0)
    assert tags["multiverse.evaluator.settings"] == '{"replicates": 0}'
    assert "multiverse.labels_fingerprint" not in tags
    assert "multiverse.batch_key" not in tags


@pytest.mark.parametrize("package", ["mlflow", "sqlalchemy"])
@pytest.mark.parametrize("error", ["ImportError", "RuntimeError"])
def test_an_mlflow_that_can_t_be_imported_is_said(
    results: ResultsFolder, tmp_path: Path, package: str, error: str
) -> None:
    publish_tracked(results)
    broken = tmp_path / "site" / package
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(f"raise {error}('it is damaged')\n")
    environment = {**os.environ, "PYTHONPATH": str(broken.parent)}
    command = [sys.executable, "-m", "multiverse", "track", str(results.folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT
    )
    assert done.returncode == UsageError.exit_code
    said = " ".join(done.stderr.split())
    assert f"MLflow can't be used here: {error}: it is damaged" in said
    assert "Traceback" not in done.stderr
    code = (
        "import sys\nfrom pathlib import Path\nfrom multiverse.api import Request, Results, Steps\n"
        "from multiverse.api.finish import conclude\n"
        "from multiverse.specs.benchmark import BenchmarkSource\n"
        "source = BenchmarkSource.of({'datasets': ['any'], 'models': ['any']})\n"
        "steps = Steps(evaluate=False, report=False)\n"
        "request = Request(source, Path(sys.argv[1]), steps=steps)\n"
        "tell = lambda event: print(getattr(event, 'message', event))\n"
        "print(conclude(Results.open(sys.argv[1]), request, tell=tell).complete)"
    )
    command = [sys.executable, "-c", code, str(results.folder)]
    environment = {**environment, "MULTIVERSE_NO_MLFLOW": ""}
    after = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True, cwd=ROOT
    )
    assert "nothing was copied to MLflow: MLflow can't be used here" in after.stdout
    assert after.stdout.splitlines()[-1] == "True"


def test_importing_the_room_does_not_import_mlflow() -> None:
    code = "import sys, multiverse.tracking\nprint('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nobody_is_told_that_it_was_used(results: ResultsFolder) -> None:
    """MLflow reports its use to its authors unless it is told not to; what it would say is nil."""
    publish_tracked(results)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from multiverse.runs.results import Results\nfrom multiverse.tracking import track\n"
        "assert track(Results.open(Path(sys.argv[1]))).copied == 1\n"
        "from mlflow.telemetry.client import get_telemetry_client\n"
        "print(get_telemetry_client())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(results.folder)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.strip() == "None"
