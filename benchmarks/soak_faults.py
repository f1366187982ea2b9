"""Runners that work on one results folder, and what happens to them at seeded random moments."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from measure import show

from tests.faults.daemon import Daemon

#: After the last fault, and for a runner that was asked to stop.
PATIENCE_SECONDS = 600
#: For some container to run.
CONTAINER_SECONDS = 20


@dataclass
class Runner:
    """One ``multiverse run --json``: its process, and the files that it prints into."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    #: Somebody has sent it a signal, or pulled its plug.
    struck: bool = False

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def events(self) -> list[dict[str, Any]]:
        """Every whole line that it printed; a killed one may have left part of a line."""
        lines = self.out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def counts(self) -> dict[str, int] | None:
        """How many jobs ended in which state, if it came to its end."""
        last = self.events()[-1:]
        if not last or last[0]["event"] != "summary":
            return None
        return {state: count for state, count in last[0]["counts"].items() if count}


@dataclass
class Storm:
    """Starts runners again and again, and strikes, until one comes to its end in peace."""

    daemon: Daemon
    command: Sequence[str]
    environment: Mapping[str, str]
    logs: Path
    random: random.Random
    #: Seconds between two faults, on average.
    pause: float
    expected: Mapping[str, int]
    runners: list[Runner] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    #: When the daemon answered again (seconds of the epoch).
    restarts: list[float] = field(default_factory=list)

    def rage(self) -> None:
        """Strike until all jobs have ended, then let one more command look at the result."""
        while not self.is_done():
            self._keep_one_running()
            self._wait(self.random.expovariate(1 / self.pause))
            if not self.is_done():
                self._strike()
        for runner in self.runners:
            runner.process.wait(PATIENCE_SECONDS)
        self.start().process.wait(PATIENCE_SECONDS)

    def is_done(self) -> bool:
        """Whether a runner has ended by itself with every job as it must be."""
        return any(
            not runner.runs and not runner.struck and runner.counts() == self.expected
            for runner in self.runners
        )

    def start(self) -> Runner:
        """One more runner on the same folder."""
        number = len(self.runners)
        out, err = self.logs / f"{number:03}.jsonl", self.logs / f"{number:03}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                # A shell ignores Ctrl-C for what it starts in the background, as would the runner.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )
        self.runners.append(Runner(process, out, err))
        return self.runners[-1]

    def stop_all(self) -> None:
        """Kill what still runs: the soak itself was ended."""
        for runner in self._running():
            runner.process.kill()
            runner.process.wait()

    def _running(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.runs]

    def _keep_one_running(self) -> None:
        """A next runner; it does not wait for one that was asked to stop and has not yet."""
        if all(runner.struck for runner in self._running()):
            self.start()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._running():
            time.sleep(0.05)

    def _strike(self) -> None:
        names = list(_WEIGHTS)
        (name,) = self.random.choices(names, [_WEIGHTS[name] for name in names])
        strikes: dict[str, Callable[[], bool]] = {
            "runner killed (KILL)": partial(self._signal, signal.SIGKILL),
            "runner asked to end (TERM)": partial(self._signal, signal.SIGTERM),
            "Ctrl-C": partial(self._signal, signal.SIGINT),
            "Ctrl-C twice": self._interrupt_twice,
            "container killed": partial(self._container, "kill"),
            "container removed": partial(self._container, "rm", "--force"),
            "daemon restarted (TERM)": partial(self._restart, signal.SIGTERM),
            "daemon killed (KILL)": partial(self._restart, signal.SIGKILL),
            "power cut": self._cut_power,
            "a second runner": self._second,
        }
        if strikes[name]():
            self.faults[name] += 1
            show(f"  {sum(self.faults.values())}: {name}")

    def _victim(self) -> Runner | None:
        living = self._running()
        return self.random.choice(living) if living else None

    def _signal(self, number: int) -> bool:
        runner = self._victim()
        if runner is None:
            return False
        runner.struck = True
        runner.process.send_signal(number)
        return True

    def _interrupt_twice(self) -> bool:
        runner = self._victim()
        if runner is None:
            return False
        runner.struck = True
        runner.process.send_signal(signal.SIGINT)
        time.sleep(self.random.uniform(0, 1))
        runner.process.send_signal(signal.SIGINT)
        return True

    def _container(self, *words: str) -> bool:
        """Strike any container that runs, as soon as one does."""
        deadline = time.monotonic() + CONTAINER_SECONDS
        while time.monotonic() < deadline and self._running():
            found = self.daemon.docker("ps", "--quiet").stdout.split()
            if found and self.daemon.docker(*words, self.random.choice(found)).returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def _restart(self, number: int) -> bool:
        self.daemon.stop(number)
        self._return()
        return True

    def _cut_power(self) -> bool:
        for runner in self._running():
            runner.struck = True
            runner.process.kill()
        self.daemon.cut_power()
        for runner in self.runners:
            runner.process.wait(PATIENCE_SECONDS)
        self._return()
        return True

    def _return(self) -> None:
        """Start the daemon again, soon or later; some runner may meet the gap."""
        time.sleep(self.random.uniform(0, 2))
        if self.random.random() < 0.3:
            self._keep_one_running()
            time.sleep(self.random.uniform(0, 2))
        self.daemon.start()
        self.restarts.append(time.time())

    def _second(self) -> bool:
        if len(self._running()) != 1:
            return False
        self.start()
        return True


#: How often each happens, in proportion.
_WEIGHTS = {
    "runner killed (KILL)": 4,
    "runner asked to end (TERM)": 2,
    "Ctrl-C": 2,
    "Ctrl-C twice": 2,
    "container killed": 4,
    "container removed": 3,
    "daemon restarted (TERM)": 2,
    "daemon killed (KILL)": 2,
    "power cut": 2,
    "a second runner": 3,
}
