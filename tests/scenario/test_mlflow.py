"""Copying runs to a real MLflow server, also one that dies, hangs, or was never there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiverse.facts import Cause, RunState
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.tracking import Tracked, track
from tests.scenario.conftest import Command
from tests.told import notes_into
from tests.unit.tracking.made import keep_tracked, publish_tracked, record_of, score
from tests.unit.tracking.server import Action, MlflowServer, silent_server, wire

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")

import mlflow
from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """One server for the module; a test that kills it starts it again."""
    running = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    running.start()
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


def runs_of(server: MlflowServer, experiment: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    """What a stranger reads of an experiment."""
    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id], run_view_type=view))


def artifacts_of(server: MlflowServer, run: Run) -> set[str]:
    return {file.path for file in MlflowClient(server.uri).list_artifacts(run.info.run_id)}


def test_everything_arrives(server: MlflowServer, results: ResultsFolder) -> None:
    folder = publish_tracked(results)
    score(results, [folder.run_id])
    tracked = track(Results.open(results), server.uri, experiment="everything")
    assert (tracked.copied, tracked.failed, tracked.notes) == (1, (), ())
    (run,) = runs_of(server, "everything")
    record = record_of()
    assert record.image is not None
    assert (run.info.run_name, run.info.status) == ("pca, seed 0", "FINISHED")
    assert run.info.start_time == 1767261600000
    assert run.info.end_time == run.info.start_time + 8000
    expected = {
        "multiverse.run_id": folder.run_id,
        "multiverse.dataset": "pbmc",
        "multiverse.dataset_fingerprint": record.dataset_fingerprint,
        "multiverse.model": "pca 1.0.0",
        "multiverse.image_tag": record.image.tag,
        "multiverse.image_digest": record.image.digest,
        "multiverse.engine": "docker 1",
        "multiverse.state": "complete",
        "multiverse.host.cpus": "2",
        "multiverse.tag.project": "PBMC",
        "multiverse.copied": "complete",
        "multiverse.coverage.total": "2/3",
        "multiverse.evaluator.scib_metrics": "0.5.10",
        "score_reason.kbet_per_label": "metric_failed: it failed",
        "score_reason.batch": "no batch metric is available",
    }
    assert expected.items() <= run.data.tags.items()
    assert run.data.params == {
        "seed": "0",
        "device": "cpu",
        "modalities": "rna",
        "threads": "1",
        "n_components": "2",
        "tolerance": "1e-07",
        "name": "ünï",
        "preprocessing.scale": "true",
    }
    assert run.data.metrics == {
        "epoch/loss": 1.0,
        "epoch/kl": 0.2,
        "model/elbo": -12.5,
        "model/epochs": 3.0,
        "resource/wall_seconds": 7.5,
        "resource/cpu_seconds": 9.0,
        "resource/peak_memory_bytes": 123_000.0,
        "score.leiden_nmi": 0.75,
        "score.ilisi": 0.25,
        "score.neighbourhood_preservation": 0.3,
        "score.neighbourhood_preservation.rna": 0.2,
        "score.neighbourhood_preservation.atac": 0.4,
        "score.bio": 0.75,
        "score.total": 0.5,
        "score.total.low": 0.4,
        "score.total.high": 0.6,
    }
    client = MlflowClient(server.uri)
    history = client.get_metric_history(run.info.run_id, "epoch/loss")
    assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert run.inputs is not None
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "pbmc"
    assert record.dataset_fingerprint.startswith(used.dataset.digest)
    copied = {"embeddings.h5", "job_spec.json", "metrics.json", "metrics.jsonl", "run.json",
              "run.log", "umap.png"}  # fmt: skip
    assert artifacts_of(server, run) == copied
    for name in copied:
        there = Path(client.download_artifacts(run.info.run_id, name))
        assert there.read_bytes() == (folder.folder / name).read_bytes()


def test_each_run_is_copied_once(server: MlflowServer, results: ResultsFolder) -> None:
    for seed in (0, 1):
        publish_tracked(results, seed)
    assert track(Results.open(results), server.uri, experiment="once").copied == 2
    before = {run.info.run_id: run.data for run in runs_of(server, "once")}
    publish_tracked(results, 2)
    again = track(Results.open(results), server.uri, experiment="once")
    assert (again.copied, again.updated, again.present) == (1, 0, 2)
    after = {run.info.run_id: run.data for run in runs_of(server, "once")}
    assert len(after) == 3
    assert all(after[name].to_dictionary() == before[name].to_dictionary() for name in before)


def test_scores_that_come_later_or_change_replace_the_copy(
    server: MlflowServer, results: ResultsFolder
) -> None:
    folder = publish_tracked(results)
    track(Results.open(results), server.uri, experiment="later")
    (first,) = runs_of(server, "later")
    assert not any(name.startswith("score") for name in first.data.metrics)
    score(results, [folder.run_id], ilisi=None, total=0.9)
    assert track(Results.open(results), server.uri, experiment="later").updated == 1
    (second,) = runs_of(server, "later")
    assert second.data.metrics["score.total"] == 0.9
    assert second.data.tags["score_reason.ilisi"] == "no_batch: obs has no batch column"
    score(results, [folder.run_id], ilisi=0.25, total=0.5)
    assert track(Results.open(results), server.uri, experiment="later").updated == 1
    (third,) = runs_of(server, "later")
    assert third.data.metrics["score.total"] == 0.5, "the newer one, although it is lower"
    assert third.data.metrics["score.ilisi"] == 0.25
    assert "score_reason.ilisi" not in third.data.tags
    assert first.data.params == second.data.params == third.data.params
    assert len(runs_of(server, "later", ViewType.ALL)) == 3, "the earlier ones are in the trash"
    assert track(Results.open(results), server.uri, experiment="later").present == 1


def test_a_score_that_is_taken_back_is_not_shown_any_more(
    server: MlflowServer, results: ResultsFolder
) -> None:
    folder = publish_tracked(results)
    score(results, [folder.run_id])
    track(Results.open(results), server.uri, experiment="taken back")
    score(results, [folder.run_id], ilisi=None)
    assert track(Results.open(results), server.uri, experiment="taken back").updated == 1
    (run,) = runs_of(server, "taken back")
    assert "score.ilisi" not in run.data.metrics
    assert run.data.tags["score_reason.ilisi"]
    assert track(Results.open(results), server.uri, experiment="taken back").present == 1


def test_failures_are_copied_with_their_cause(server: MlflowServer, results: ResultsFolder) -> None:
    keep_tracked(results, 0)
    keep_tracked(results, 1, cause=Cause.INTERRUPTED)
    keep_tracked(results, 2, RunState.NOT_APPLICABLE, Cause.NOT_APPLICABLE)
    keep_tracked(results, 3, RunState.CANCELLED, Cause.CANCELLED)
    assert track(Results.open(results), server.uri, experiment="failures").copied == 3
    found = {run.data.params["seed"]: run for run in runs_of(server, "failures")}
    assert {seed: run.info.status for seed, run in found.items()} == {
        "0": "FAILED",
        "1": "KILLED",
        "2": "FINISHED",
    }
    tags = found["0"].data.tags
    assert (tags["multiverse.cause"], tags["multiverse.message"]) == ("out_of_memory", "it ended")
    assert found["2"].data.tags["multiverse.state"] == "not_applicable"
    assert artifacts_of(server, found["0"]) == {"run.json", "run.log", "container.log"}
    assert found["0"].data.metrics["epoch/loss"] == 1.0, "epochs before the end, not half a line"


def test_a_repeated_run_is_another_run(server: MlflowServer, results: ResultsFolder) -> None:
    keep_tracked(results)
    track(Results.open(results), server.uri, experiment="repeated")
    publish_tracked(results, started_at="2026-01-02T10:00:00+00:00")
    assert track(Results.open(results), server.uri, experiment="repeated").copied == 1
    found = runs_of(server, "repeated")
    assert sorted(run.info.status for run in found) == ["FAILED", "FINISHED"]
    assert len({run.data.tags["multiverse.run_id"] for run in found}) == 1


@pytest.mark.parametrize("where", [b"embeddings.h5", b"umap.png", b"runs/log-batch", b"set-tag"])
def test_a_server_that_dies_in_the_middle(
    server: MlflowServer, results: ResultsFolder, multiverse_command: Command, where: bytes
) -> None:
    """It is killed while something of the second run is sent."""
    experiment = f"dies {where.decode().replace('/', '-')}"
    ids = [publish_tracked(results, seed).run_id for seed in range(4)]
    score(results, ids)
    done: list[str] = []
    fatal: list[bytes] = []

    def kill_in_the_second(piece: bytes) -> Action:
        if len(done) == 1 and where in piece and not fatal:
            fatal.append(piece)
            server.kill()
            return Action.CUT
        return Action.FORWARD

    with wire(server, kill_in_the_second) as uri:
        tracked = track(Results.open(results), uri, experiment=experiment, tell=notes_into(done))
    assert fatal
    assert (tracked.copied, len(tracked.failed)) == (1, 3)
    assert not tracked.complete
    assert all("connection" in run.reason for run in tracked.failed)
    assert tracked.command == f"multiverse track {results.folder} --uri {uri}"
    server.start()
    half = [run for run in runs_of(server, experiment) if run.info.status == "RUNNING"]
    more = multiverse_command(
        "track", results.folder, "--uri", server.uri, "--experiment", experiment, "--json"
    )
    assert more.code == 0, more.said
    told = json.loads(more.out)
    assert (told["copied"], told["present"], told["failed"]) == (3, 1, [])
    found = runs_of(server, experiment)
    assert sorted(run.data.tags["multiverse.run_id"] for run in found) == sorted(ids)
    again = {run.info.run_id for run in half} & {run.info.run_id for run in found}
    assert not again, "what was cut off is copied anew"
    for run in found:
        assert run.info.status == "FINISHED"
        assert run.data.tags["multiverse.copied"] == "complete"
        assert run.data.metrics["score.total"] == 0.5
        assert len(artifacts_of(server, run)) == 7


def test_one_run_that_can_not_be_sent_does_not_hold_up_the_others(
    server: MlflowServer, results: ResultsFolder
) -> None:
    for seed in range(3):
        publish_tracked(results, seed)
    cut: list[bytes] = []

    def cut_the_first_picture(piece: bytes) -> Action:
        request = piece.split(b"\r\n")[0]
        # A record names the picture, too; its piece begins with no method.
        if not request.startswith(b"PUT ") or b"/umap.png" not in request:
            return Action.FORWARD
        if request != (cut or [request])[0]:
            return Action.FORWARD
        cut.append(request)
        return Action.CUT

    with wire(server, cut_the_first_picture) as uri:
        tracked = track(Results.open(results), uri, experiment="one lost")
    assert cut
    assert (tracked.copied, len(tracked.failed)) == (2, 1)
    assert track(Results.open(results), server.uri, experiment="one lost").copied == 1
    assert len(runs_of(server, "one lost")) == 3


def test_a_request_that_is_sent_twice_makes_one_run(
    server: MlflowServer, results: ResultsFolder
) -> None:
    """The server makes a run, its answer is lost, and MLflow's client asks again."""
    publish_tracked(results)
    lost: list[bytes] = []

    def lose_the_first_creation(piece: bytes) -> Action:
        if b"runs/create" in piece and not lost:
            lost.append(piece)
            return Action.LOSE_ANSWER
        return Action.FORWARD

    with wire(server, lose_the_first_creation) as uri:
        assert track(Results.open(results), uri, experiment="twice").copied == 1
    assert len(lost) == 1
    assert len(runs_of(server, "twice")) == 1
    assert len(runs_of(server, "twice", ViewType.ALL)) == 2, "the other one is in the trash"
    assert track(Results.open(results), server.uri, experiment="twice").present == 1


def test_two_commands_at_once_copy_each_run_once(
    server: MlflowServer, results: ResultsFolder
) -> None:
    for seed in range(3):
        publish_tracked(results, seed)
    command = [sys.executable, "-m", "multiverse", "track", str(results.folder), "--json"]
    command += ["--uri", server.uri, "--experiment", "two"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(each["copied"] for each in told) == [0, 3]
    assert len(runs_of(server, "two")) == 3


def test_a_server_that_is_down(results: ResultsFolder, multiverse_command: Command) -> None:
    """Nothing is listening: one message, the command to repeat, and no password in either."""
    publish_tracked(results, 0)
    publish_tracked(results, 1)
    uri = "http://tracker:s%40cret@127.0.0.1:9"
    done = multiverse_command("track", results.folder, "--uri", uri)
    assert done.code == 1
    assert "2 missing" in done.out
    assert "there is no connection: Connection refused" in done.err
    assert f"multiverse track {results.folder}" in done.err
    assert "cret" not in done.said
    assert "tracker" not in done.said


@pytest.mark.timeout(120)
def test_a_server_that_never_answers(
    results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question is waited for, not one a run; the user's own patience counts."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    for seed in range(5):
        publish_tracked(results, seed)
    with silent_server() as uri:
        tracked = track(Results.open(results), uri)
    assert len(tracked.failed) == 5
    assert {run.reason for run in tracked.failed} == {"it gives no answer in time"}


def test_a_server_without_patience_of_its_own_is_given_little(
    server: MlflowServer, results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user has not set is set for the time of the copying, and not longer."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    publish_tracked(results)
    seen: list[dict[str, str]] = []
    before = dict(os.environ)
    track(
        Results.open(results),
        server.uri,
        experiment="patience",
        tell=lambda _: seen.append(dict(os.environ)),
    )
    assert seen[0]["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
    assert seen[0]["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert seen[0]["DO_NOT_TRACK"] == "true"
    assert dict(os.environ) == before


def test_large_and_damaged_files_are_left_out_and_said(
    server: MlflowServer, results: ResultsFolder
) -> None:
    folder = publish_tracked(results, embedding=b"x" * 5000)
    damaged = folder.umap
    damaged.chmod(0o644)
    damaged.write_bytes(b"another picture")
    tracked = track(Results.open(results), server.uri, experiment="left out", embeddings_limit=1000)
    assert tracked.complete
    assert len(tracked.notes) == 2
    (run,) = runs_of(server, "left out")
    said = run.data.tags["multiverse.left_out"]
    assert "embeddings.h5 has 5,000 bytes, more than the 1,000 allowed" in said
    assert "umap.png is not what was published" in said
    assert artifacts_of(server, run).isdisjoint({"embeddings.h5", "umap.png"})
    again = track(Results.open(results), server.uri, experiment="left out", embeddings_limit=1000)
    assert (again.present, again.notes) == (1, ()), "said once"
    assert track(Results.open(results), server.uri, experiment="left out").updated == 1
    (run,) = runs_of(server, "left out")
    assert "embeddings.h5" in artifacts_of(server, run)
    assert "embeddings.h5" not in run.data.tags["multiverse.left_out"]


def test_a_link_of_a_failed_model_is_not_followed(
    server: MlflowServer, results: ResultsFolder, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("private key")
    log = keep_tracked(results).output.log
    log.unlink()
    log.symlink_to(secret)
    track(Results.open(results), server.uri, experiment="link")
    (run,) = runs_of(server, "link")
    assert artifacts_of(server, run) == {"run.json", "container.log"}
    assert "symbolic link" in run.data.tags["multiverse.left_out"]


def test_hostile_names_and_values_arrive_harmless(
    server: MlflowServer, results: ResultsFolder
) -> None:
    names = ["a/b<script>", "../../etc/passwd", "/", "", "x\n", "🧬", "a" * 190, "a<b", "a>b"]
    metrics = {
        "model_metrics": {name: float(number) for number, name in enumerate(names)},
        "history": {"🧬": [1.0], "loss": [1e308, -1e308]},
    }
    hostile = "<img src=x onerror=alert(1)>'; DROP TABLE runs; --"
    folder = publish_tracked(
        results,
        metrics=metrics,
        epochs='{"epoch": 1, "nan": NaN, "bad": "x"}\nnot json\n{"epoch": true, "a": 1}\n[1]\n',
        parameters={"long": "p" * 100_000, "emoji 🧬": "🧬", hostile: hostile, "nul": "a\0b"},
        tags={"long": "🧬" * 10_000, hostile: hostile, "empty": ""},
        host={f"fact{number}": "x" * 4000 for number in range(250)},
    )
    tracked = track(Results.open(results), server.uri, experiment=hostile)
    assert (tracked.copied, tracked.failed) == (1, ())
    (run,) = runs_of(server, hostile)
    values = {name: value for name, value in run.data.metrics.items() if name[:5] == "model"}
    assert sorted(values.values()) == [float(number) for number in range(len(names))]
    assert "epoch/nan" not in run.data.metrics
    assert run.data.metrics["epoch/loss"] == -1e308
    assert len(run.data.params["long"]) == 6000
    assert run.data.tags["multiverse.cut"].startswith("long (100,000 characters), ")
    assert hostile in run.data.params.values()
    assert hostile in run.data.tags.values()
    assert "a�b" in run.data.params.values()
    assert len([name for name in run.data.tags if name.startswith("multiverse.host.fact")]) == 250
    assert run.data.tags["multiverse.run_id"] == folder.run_id
    assert track(Results.open(results), server.uri, experiment=hostile).present == 1


def test_many_epochs_arrive_in_parts(server: MlflowServer, results: ResultsFolder) -> None:
    lines = (json.dumps({"epoch": n, "a": n, "b": -n}) for n in range(1, 1301))
    publish_tracked(results, epochs="\n".join(lines))
    track(Results.open(results), server.uri, experiment="many")
    (run,) = runs_of(server, "many")
    history = MlflowClient(server.uri).get_metric_history(run.info.run_id, "epoch/b")
    assert [point.step for point in history] == list(range(1, 1301))
    assert all(point.value == -point.step for point in history)


def test_a_deleted_experiment_is_named(server: MlflowServer, results: ResultsFolder) -> None:
    publish_tracked(results)
    client = MlflowClient(server.uri)
    client.delete_experiment(client.create_experiment("gone"))
    (failed,) = track(Results.open(results), server.uri, experiment="gone").failed
    assert "the experiment gone was deleted there" in failed.reason


def test_time_that_is_up_leaves_the_rest_for_later(
    server: MlflowServer, results: ResultsFolder
) -> None:
    for seed in range(3):
        publish_tracked(results, seed)
    tracked: Tracked = track(Results.open(results), server.uri, experiment="short", seconds=0.0)
    assert tracked.copied < 3
    assert "left for later" in tracked.failed[-1].reason
    assert track(Results.open(results), server.uri, experiment="short").complete
    assert len(runs_of(server, "short")) == 3


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[str]:
    """A store chosen for the whole process, which MLflow writes into the environment."""
    uri = f"sqlite:///{tmp_path}/own.db"
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_the_users_own_mlflow_is_not_disturbed(
    server: MlflowServer, results: ResultsFolder, tmp_path: Path, own_store: str
) -> None:
    """In a process that has a run of its own, and logs to it from another thread."""
    publish_tracked(results)
    experiment = mlflow.create_experiment("own", (tmp_path / "own").as_uri())
    with mlflow.start_run(experiment_id=experiment) as own:
        copying = threading.Thread(target=track, args=(Results.open(results), server.uri))
        copying.start()
        mlflow.log_metric("mine", 1.0)
        copying.join()
        assert mlflow.active_run() is not None
        assert mlflow.get_tracking_uri() == own_store
    finished = MlflowClient(own_store).get_run(own.info.run_id)
    assert finished.data.metrics == {"mine": 1.0}
    assert {"epoch/loss", "model/elbo"} <= runs_of(server, "pilot")[0].data.metrics.keys()
