"""Every container that a daemon starts and that ends, as the daemon itself tells it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.daemon import Daemon

#: A run's id and the number of an attempt at it.
Attempt = tuple[str, int]


@dataclass(frozen=True)
class Life:
    """One container: its attempt, and when it began and ended (seconds of the epoch)."""

    attempt: Attempt
    began: float
    ended: float | None

    def seconds(self, restarts: Sequence[float]) -> float:
        """How long it ran; until the daemon was back, where nobody saw its end."""
        ends = (
            [self.ended] if self.ended else [moment for moment in restarts if moment > self.began]
        )
        return max(0.0, min(ends, default=self.began) - self.began)


class ContainerLog:
    """Follows ``docker events`` through every restart of the daemon.

    A daemon that begins again tells what it has done since it began: no start is missed.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._since = time.time()
        self._begun: dict[str, tuple[Attempt, list[float]]] = {}
        self._ended: dict[str, float] = {}
        self._over = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take what has been told until now, and stop."""
        time.sleep(1)
        self._over.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(10)

    def lives(self) -> dict[Attempt, list[Life]]:
        """Containers by attempt: one each, if nothing was run twice."""
        found: dict[Attempt, list[Life]] = defaultdict(list)
        for name, (attempt, starts) in self._begun.items():
            found[attempt] += [Life(attempt, start, self._ended.get(name)) for start in starts]
        return dict(found)

    def _follow(self) -> None:
        while not self._over.is_set():
            command = ["docker", "--host", self._daemon.host, "events", "--format", "{{json .}}",
                       "--since", f"{self._since:.9f}", "--filter", "label=multiverse=job",
                       "--filter", "event=start", "--filter", "event=die"]  # fmt: skip
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._take(line)
            self._process.wait()
            self._over.wait(0.1)

    def _take(self, line: str) -> None:
        event = json.loads(line)
        labels = event["Actor"]["Attributes"]
        name, moment = str(event["id"]), event["timeNano"] / 1e9
        self._since = max(self._since, moment)
        if event["Action"] == "die":
            self._ended.setdefault(name, moment)
            return
        attempt = (labels["multiverse.run"], int(labels["multiverse.attempt"]))
        _, starts = self._begun.setdefault(name, (attempt, []))
        if moment not in starts:  # told again after the log was taken up anew
            starts.append(moment)
