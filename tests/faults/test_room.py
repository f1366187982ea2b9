"""No room: on the disk, in the machine, in the results folder."""

from __future__ import annotations

import json

import pytest

from multiverse.facts import Cause, RunState
from tests.conftest import kept_attempts, published_runs
from tests.faults.conftest import Bench

pytestmark = pytest.mark.docker


def test_nothing_is_started_when_the_disk_is_short(bench: Bench) -> None:
    command = bench.command("good", "extra", more=("--min-free", "900TiB"))
    code, printed = bench.run(command)
    assert code == 5, printed
    assert "2 jobs wait" in printed
    assert "multiverse clean" in printed
    assert not published_runs(bench.results)
    assert not list(bench.results.glob("attempts/*"))
    code, printed = bench.run(bench.command("good", "extra"))
    assert (code, len(published_runs(bench.results))) == (0, 2), printed


def test_a_job_that_can_never_fit_is_refused_with_the_numbers(bench: Bench) -> None:
    code, printed = bench.run(bench.command("good", more=("--job-cpus", "512")))
    assert code == 2
    assert "512 CPU cores" in printed
    assert not bench.results.exists()
    code, printed = bench.run(
        bench.command("good", more=("--memory", "64MiB", "--job-memory", "1GiB"))
    )
    assert code == 2
    assert "1.0 GiB of memory, and jobs may use 64.0 MiB" in printed


def test_what_is_written_beyond_the_limit_ends_the_job_alone(bench: Bench) -> None:
    path = bench.folder / "both.yaml"
    path.write_text(
        "datasets: [small]\nresources: {disk: 20MiB}\n"
        "models:\n  - model: naughty\n    parameters:\n"
        "      - {behaviour: litter, amount: 300}\n      - {behaviour: good}\n"
    )
    code, printed = bench.run([*bench.command("good")[:3], str(path), *bench.command("good")[4:]])
    assert code == 1, printed
    (kept,) = kept_attempts(bench.results)
    assert kept.cause is Cause.DISK_LIMIT, kept.message
    assert "20.0 MiB" in kept.message
    assert len(published_runs(bench.results)) == 1


def test_jobs_run_at_the_same_time_only_while_they_fit(bench: Bench) -> None:
    """Three jobs of one CPU on one CPU: never two at once, whatever --jobs allows."""
    command = bench.command("good", "extra", "locked_up", more=("--cpus", "1", "-j", "3", "--json"))
    code, printed = bench.run(command)
    assert code == 0, printed
    most, now = 0, 0
    for line in printed.splitlines():
        event = json.loads(line)["event"]
        now += (event == "started") - (event == "finished")
        most = max(most, now)
    assert most == 1


def test_what_is_to_be_done_is_said_and_nothing_is_done(bench: Bench) -> None:
    bench.run(bench.command("good", "fail"))
    before = sorted(path for path in bench.results.rglob("*"))
    dry = bench.command("good", "fail", "extra", more=("--dry-run",))
    code, printed = bench.run(dry)
    assert code == 0, printed
    assert "small/naughty seed 0: complete" in printed
    assert "to run because «attempt 1 failed: model error»" in printed
    assert "behaviour=extra seed 0: to run because «parameter behaviour good → extra»" in printed
    assert "3 jobs: 1 complete, 2 to run; nothing was started" in printed
    assert sorted(path for path in bench.results.rglob("*")) == before
    code, printed = bench.run([*dry, "--json"])
    prospects = [job["prospect"] for job in json.loads(printed[printed.index("[\n") :])]
    assert sorted(prospects) == ["complete", "to run", "to run"]


def test_only_what_failed_is_run_again(bench: Bench) -> None:
    bench.run(bench.command("fail"))
    command = bench.command("fail", "good", "extra", more=("--only-failed",))
    code, printed = bench.run(command)
    assert code == 1, printed
    assert "2 jobs that have not failed are left out" in printed
    assert [record.attempt for record in kept_attempts(bench.results)] == [1, 2]
    assert not published_runs(bench.results)


def test_rerun_replaces_what_is_complete(bench: Bench) -> None:
    bench.run(bench.command("good"))
    (before,) = published_runs(bench.results)
    code, printed = bench.run(bench.command("good", more=("--rerun",)))
    assert code == 0, printed
    (after,) = published_runs(bench.results)
    assert after.state is RunState.COMPLETE
    assert after.finished_at >= before.finished_at
    assert ": started" in printed
