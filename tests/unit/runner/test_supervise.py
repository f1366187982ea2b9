"""A running process is followed to its end, and stopped when it must not go on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from multiverse.engines.local_process import LocalProcess
from multiverse.engines.protocol import Ending, Execution, Orphan, Runtime
from multiverse.facts import Cause
from multiverse.plan.job import Limits
from multiverse.runner.supervise import seconds_before, supervise
from multiverse.runs.clock import Moment
from tests.unit.runner.jobs import GIB, make_model

FOR_EVER = "import time\nwhile True: time.sleep(0.05)\n"


@dataclass
class Supervised:
    """A Python process that writes into a folder, and what was seen of it."""

    folder: Path
    cancelled: threading.Event = field(default_factory=threading.Event)
    looks: list[bool] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def run(
        self,
        program: str,
        look: Callable[[], None] | None = None,
        elapsed: float = 0.0,
        time_limit: int | None = None,
        disk: int = GIB,
    ) -> Ending:
        self.output.mkdir(exist_ok=True)
        scratch = self.folder / "scratch"
        scratch.mkdir()
        running = LocalProcess.start(
            [sys.executable, "-c", program],
            environment={"OUTPUT": str(self.output)},
            scratch=scratch,
            held=ExitStack(),
            execution=Execution(
                runtime=Runtime(model=make_model(), environment_lock="sha256:0"),
                data=self.folder / "data.h5mu",
                output=self.output,
                log=self.folder / "container.log",
                cpus=1,
                memory=GIB,
                device="cpu",
                labels={"multiverse.run": self.folder.name},
            ),
        )
        with running:
            return supervise(
                running,
                self.output,
                Limits(cpus=1, memory=GIB, time_limit=time_limit, disk=disk),
                cancelled=self.cancelled,
                look=look or (lambda: self.looks.append(running.wait(0))),
                elapsed=elapsed,
            )


@pytest.fixture
def supervised(tmp_path: Path) -> Supervised:
    return Supervised(tmp_path)


@pytest.mark.parametrize("code", [0, 7])
def test_what_ends_by_itself_ends_as_the_engine_says(supervised: Supervised, code: int) -> None:
    ending = supervised.run(f"raise SystemExit({code})")
    assert (ending.exit_code, ending.cause, ending.detail) == (code, None, "")
    assert supervised.looks[-1], "looked at once more when it had ended"


def test_at_its_time_limit_it_is_stopped(supervised: Supervised) -> None:
    ending = supervised.run(FOR_EVER, time_limit=1)
    assert (ending.cause, ending.detail) == (Cause.TIME_LIMIT, "stopped at its time limit of 1.0s")
    assert ending.usage.wall_seconds >= 1
    assert supervised.looks[-1]


def test_time_before_it_was_followed_counts(supervised: Supervised) -> None:
    began = time.monotonic()
    assert supervised.run(FOR_EVER, elapsed=3600, time_limit=3600).cause is Cause.TIME_LIMIT
    assert time.monotonic() - began < 60


def test_output_beyond_its_limit_stops_it(supervised: Supervised) -> None:
    program = (
        "import os, pathlib\n"
        "pathlib.Path(os.environ['OUTPUT'], 'large').write_bytes(os.urandom(4_000_000))\n"
    ) + FOR_EVER
    ending = supervised.run(program, disk=1_000_000)
    assert ending.cause is Cause.DISK_LIMIT
    assert ending.detail.startswith("stopped because its output takes at least ")


def test_on_request_it_is_stopped(supervised: Supervised) -> None:
    ending = supervised.run(FOR_EVER, look=supervised.cancelled.set)
    assert (ending.cause, ending.detail) == (Cause.CANCELLED, "stopped on request")


def test_what_has_ended_is_not_over_its_time() -> None:
    long_ago = "2020-01-01T00:00:00+00:00"
    ended, running = (
        Orphan(labels={}, running=still, adoptable=True, handle=None) for still in (False, True)
    )
    assert seconds_before(ended, Moment.now(), long_ago) == float("-inf")
    assert seconds_before(running, None, long_ago) > 365 * 24 * 3600


@pytest.mark.parametrize("wall", ["2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_how_long_a_job_has_run_is_not_told_by_the_wall_clock(wall: str) -> None:
    running = Orphan(labels={}, running=True, adoptable=True, handle=None)
    now = Moment.now()
    assert now is not None
    earlier = now.model_copy(update={"seconds": now.seconds - 5})
    assert 5 <= seconds_before(running, earlier, wall) < 3600


def test_of_another_boot_only_the_wall_clock_tells_and_never_less_than_nothing() -> None:
    running = Orphan(labels={}, running=True, adoptable=True, handle=None)
    other = Moment(boot="another", seconds=0)
    assert seconds_before(running, other, "2020-01-01T00:00:00+00:00") > 365 * 24 * 3600
    assert seconds_before(running, other, "2999-01-01T00:00:00+00:00") == 0
