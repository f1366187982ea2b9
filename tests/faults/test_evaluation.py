"""Evaluations that are killed, starved, interrupted or started twice: nothing is left or lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from docker import APIClient

from multiverse.contract.evaluation import ScoreLine, parse_line
from multiverse.contract.scores import Reason
from multiverse.engines.docker import DockerEngine
from multiverse.runner.capacity import Machine
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluation, ScoresFile
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions
from tests.conftest import docker_or_skip
from tests.faults.conftest import PATIENCE_SECONDS, Bench
from tests.told import notes_into
from tests.unit.scoring.made import make_data, publish_run, register

pytestmark = pytest.mark.docker
MEBIBYTE = 1024**2
#: An evaluation that shares two cores with other tests.
LONG_SECONDS = 600


@dataclass
class Scoring:
    """A results folder with two complete runs, and commands that evaluate it."""

    home: Path
    results: ResultsFolder
    bench: Bench

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "multiverse", "evaluate", str(self.results.folder),
                "--engine", "docker", "--replicates", "0", "--no-report",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "MULTIVERSE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
            # A shell ignores Ctrl-C for what it starts in the background.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def begun(self, command: subprocess.Popen[str]) -> None:
        """Wait until the evaluator has written its first score."""
        self.bench.until(self._has_scores, command)

    def _has_scores(self) -> bool:
        found = self.results.evaluations.glob("*/*/output/scores.jsonl")
        return any('"kind":"score"' in path.read_text() for path in found)

    def computed(self) -> dict[tuple[str, str], float]:
        """Member and metric of every value that is on disk, with the seconds that it took."""
        (path,) = self.results.evaluations.glob("*/*/output/scores.jsonl")
        whole = path.read_bytes().split(b"\n")[:-1]
        lines = [line for line in map(parse_line, whole) if isinstance(line, ScoreLine)]
        return {
            (line.member, line.metric): line.seconds for line in lines if line.value is not None
        }

    def kept(self) -> dict[tuple[str, str], float]:
        """The same, of the scores that were kept."""
        members = {**self.evaluation.members, **self.evaluation.controls}
        return {
            (member, metric): score.seconds
            for member, found in members.items()
            for metric, score in found.scores.items()
        }

    def containers(self) -> list[str]:
        label = f"multiverse.evaluation={self.results.folder.resolve()}"
        with APIClient() as client:
            found = client.containers(all=True, filters={"label": label})
        return [container["Id"] for container in found]

    def end(self, command: subprocess.Popen[str]) -> str:
        printed, _ = command.communicate(timeout=LONG_SECONDS)
        return printed

    @property
    def evaluation(self) -> Evaluation:
        (evaluation,) = ScoresFile.read(self.results.scores("tiny")).evaluations
        return evaluation

    def assert_nothing_left(self) -> None:
        assert not self.containers()
        assert not list(self.results.evaluations.glob("*"))

    def assert_whole(self) -> None:
        """Every run has every score, as if nothing had happened."""
        members = self.evaluation.members
        assert len(members) == 2
        for member in (*members.values(), *self.evaluation.controls.values()):
            assert set(member.scores) == {metric.name for metric in self.evaluation.metrics}
            lacking = {score.reason for score in member.scores.values()} - {None}
            assert lacking <= {Reason.ONE_SEED}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docker_or_skip()
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "results").mkdir()
    dataset = register(folder / "home", data=make_data(60))
    for model in ("pca", "mofa"):
        publish_run(ResultsFolder(folder / "results"), dataset, model)
    return folder


@pytest.fixture
def scoring(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scoring]:
    folder = tmp_path / "results"
    shutil.copytree(made / "results", folder)
    monkeypatch.setenv("MULTIVERSE_HOME", str(made / "home"))
    scoring = Scoring(made / "home", ResultsFolder(folder), Bench(tmp_path, "docker"))
    yield scoring
    with APIClient() as client:
        for container in scoring.containers():
            client.remove_container(container, force=True)


def test_an_evaluator_that_is_killed_loses_what_it_was_at_and_no_more(scoring: Scoring) -> None:
    command = scoring.start()
    scoring.begun(command)
    (container,) = scoring.containers()
    with APIClient() as client:
        client.kill(container)
    printed = scoring.end(command)
    assert command.returncode == 1, printed
    assert "lost" in printed
    scoring.assert_nothing_left()
    found = scoring.evaluation
    assert len(found.records) == 2
    assert "was ended (killed)" in found.records[0].message
    lost = [
        score
        for member in (*found.members.values(), *found.controls.values())
        for score in member.scores.values()
        if score.reason is Reason.EVALUATOR_FAILED
    ]
    assert 1 <= len(lost) <= 2, "what each of its two processes was at"
    assert all("was ended (killed) while it computed this" in score.detail for score in lost)
    again = scoring.start()
    printed = scoring.end(again)
    assert again.returncode == 0, printed
    scoring.assert_whole()


def test_ctrl_c_leaves_nothing_behind_and_loses_nothing(scoring: Scoring) -> None:
    command = scoring.start()
    scoring.begun(command)
    assert scoring.containers()
    command.send_signal(signal.SIGINT)
    printed = scoring.end(command)
    assert command.returncode == 130, printed
    assert "stopped on request" in printed
    scoring.assert_nothing_left()
    again = scoring.start()
    printed = scoring.end(again)
    assert again.returncode == 0, printed
    scoring.assert_whole()


def test_after_a_killed_command_two_others_share_the_work(scoring: Scoring) -> None:
    command = scoring.start()
    scoring.begun(command)
    command.kill()
    command.communicate(timeout=PATIENCE_SECONDS)
    assert scoring.containers(), "nobody was there to remove it"
    first, second = scoring.start(), scoring.start()
    printed = [scoring.end(item) for item in (first, second)]
    assert [item.returncode for item in (first, second)] == [0, 0], printed
    said = [" ".join(text.split()) for text in printed]
    assert sum("2 scored now, 0 known already" in text for text in said) == 1, printed
    assert sum("0 scored now, 2 known already" in text for text in said) == 1, printed
    assert sum("another process evaluates this folder" in text for text in said) == 1, printed
    scoring.assert_nothing_left()
    scoring.assert_whole()
    assert len(scoring.evaluation.records) == 1


def test_the_evaluator_of_a_killed_command_is_followed_to_its_end(scoring: Scoring) -> None:
    command = scoring.start()
    scoring.begun(command)
    command.kill()
    command.communicate(timeout=PATIENCE_SECONDS)
    before = scoring.computed()
    again = scoring.start()
    printed = scoring.end(again)
    assert again.returncode == 0, printed
    assert "followed to its end" in " ".join(printed.split())
    scoring.assert_nothing_left()
    scoring.assert_whole()
    (record,) = scoring.evaluation.records
    assert record.message == ""
    assert before.items() <= scoring.kept().items()
    log = scoring.results.evaluation_log("tiny").read_text()
    assert log.count("is scored") == len(scoring.evaluation.members) + len(
        scoring.evaluation.controls
    ), "the whole log"


def test_an_evaluator_that_is_killed_with_its_command_goes_on_from_its_lines(
    scoring: Scoring,
) -> None:
    command = scoring.start()
    scoring.begun(command)
    command.kill()
    command.communicate(timeout=PATIENCE_SECONDS)
    (container,) = scoring.containers()
    with APIClient() as client:
        client.kill(container)
    before = scoring.computed()
    again = scoring.start()
    printed = scoring.end(again)
    assert again.returncode == 0, printed
    scoring.assert_nothing_left()
    scoring.assert_whole()
    assert len(scoring.evaluation.records) == 2
    assert before.items() <= scoring.kept().items(), "computed again, it would take other seconds"


def test_an_evaluator_that_is_over_its_time_is_stopped(scoring: Scoring) -> None:
    options = ScoringOptions(time_limit=3)
    (outcome,) = evaluate_results(Results.open(scoring.results), DockerEngine(), options)
    assert "was stopped at its time limit of 3.0s" in outcome.problem, outcome
    assert "--time-limit" in outcome.problem
    scoring.assert_nothing_left()


def test_without_memory_it_says_so(scoring: Scoring) -> None:
    """What it can't hold is lost with that as its reason; the command goes on to the end.

    The kernel ends the evaluator, or one of its processes after another: it is free to choose.
    """
    said: list[str] = []
    options = ScoringOptions(machine=Machine(memory=300 * MEBIBYTE))
    (outcome,) = evaluate_results(
        Results.open(scoring.results), DockerEngine(), options, tell=notes_into(said)
    )
    assert "ran out" in outcome.problem, outcome
    assert "memory" in outcome.problem, outcome
    assert "(300.0 MiB)" in outcome.problem, outcome
    scoring.assert_nothing_left()
    found = scoring.evaluation
    assert any("(300.0 MiB)" in record.message for record in found.records)
    for member in (*found.members.values(), *found.controls.values()):
        assert set(member.scores) == {metric.name for metric in found.metrics}
        assert any(score.value is not None for score in member.scores.values())
        lost = [s for s in member.scores.values() if s.reason is Reason.EVALUATOR_FAILED]
        assert all("memory" in score.detail for score in lost)
