"""One running container: watched, measured, and removed on every way out."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multiverse.engines.cgroup import CgroupReading, ControlGroup
from multiverse.engines.docker_volumes import check_links, check_mounts
from multiverse.engines.log_sink import LogSink
from multiverse.engines.meter import Meter
from multiverse.engines.patience import Patience
from multiverse.engines.protocol import Echo, Ending, Execution
from multiverse.errors import DiskFull, EngineError, EngineUnavailable
from multiverse.facts import Cause

SAMPLE_SECONDS = 0.1
#: The daemon answers at once when a container ends; this bounds one question, not the wait.
WAIT_SECONDS = 30
#: A daemon that is being restarted or upgraded is waited for this long.
DAEMON_PATIENCE = 120.0
DAEMON_PAUSE = 0.5
#: How long the end of a container's log is waited for when it has ended.
JOIN_SECONDS = 10.0
#: What a container ends with that was ended from outside: by KILL, by TERM, or by a daemon that
#: found it dead when it was started (after a reboot).
ENDED_FROM_OUTSIDE = (137, 143, 255)
#: And what it ends with if TERM comes before the model's process is there: what starts it is a
#: program in Go, which as process 1 can't end by a signal, and then ends itself with this.
STARTER_ENDED = 2


class DockerContainer:
    """A started container (:class:`multiverse.engines.protocol.Running`).

    ``give_back`` is called with the client when none of its threads uses it any more.
    """

    def __init__(
        self,
        client: Any,
        container_id: str,
        log: Path,
        echo: Echo | None,
        give_back: Callable[[Any], None] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._client = client
        self._patience = patience or Patience()
        self._give_back = give_back
        self._id = container_id
        self._log = log
        self._echo = echo
        self._meter = Meter()
        self._ended = threading.Event()
        self._lost: Exception | None = None
        #: For some time nobody watched: the daemon was away, or another runner had it.
        self._unwatched = False
        self._adopted = False
        self._threads: list[threading.Thread] = []

    @classmethod
    def start(
        cls,
        client: Any,
        options: dict[str, Any],
        execution: Execution,
        give_back: Callable[[Any], None] | None = None,
        patience: Patience | None = None,
    ) -> DockerContainer:
        """Create and start; what was created is removed again if it can't be started."""
        patience = patience or Patience()
        host = client.create_host_config(**options.pop("host_config"))
        try:
            created = patience.ask(lambda: client.create_container(**options, host_config=host))
        except EngineUnavailable as error:
            wanted = f"label=multiverse.run={execution.labels.get('multiverse.run', '')}"
            raise EngineUnavailable(
                f"{error}: `docker ps --all --filter {wanted}` shows whether it made a container"
            ) from error
        container = cls(client, created["Id"], execution.log, execution.echo, give_back, patience)
        try:
            made = container._inspect()
            check_mounts(made)
            check_links(made, container._link)
            container._run()
        except EngineUnavailable as error:
            container._remove()
            raise EngineUnavailable(container._left()) from error
        except BaseException:
            container._remove()
            raise
        return container

    @classmethod
    def adopt(
        cls,
        client: Any,
        container_id: str,
        log: Path,
        echo: Echo | None,
        give_back: Callable[[Any], None] | None = None,
        patience: Patience | None = None,
    ) -> DockerContainer:
        """Follow a container that another process started; it may have ended since."""
        container = cls(client, container_id, log, echo, give_back, patience)
        container._unwatched = container._adopted = True
        container._patience.ask(container._follow)
        container._spawn(container._await_end)
        return container

    def _run(self) -> None:
        ask, client = self._patience.ask, self._client
        output = ask(
            lambda: client.attach(self._id, stdout=True, stderr=True, stream=True, logs=True)
        )
        self._meter = Meter()
        ask(lambda: client.start(self._id))
        self._spawn(self._copy_log, output)
        self._spawn(self._await_end)
        self._spawn(self._sample)

    def _inspect(self) -> dict[str, Any]:
        return self._patience.ask(lambda: dict(self._client.inspect_container(self._id)))

    def _link(self, path: str) -> str | None:
        """Return where a link in the container leads, followed to its end; None of no link."""
        place = f"{self._client.base_url}/v{self._client.api_version}/containers/{self._id}/archive"
        answer = self._patience.ask(
            lambda: self._client.head(place, params={"path": path}, timeout=self._client.timeout)
        )
        said = answer.headers.get("X-Docker-Container-Path-Stat")
        if answer.status_code != HTTPStatus.OK or said is None:  # there is nothing
            return None
        try:
            return str(json.loads(base64.b64decode(said))["linkTarget"]) or None
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"the daemon's word on {path!r:.100} can't be read") from error

    def _left(self) -> str:
        """Return in words that a daemon that hangs may have left the container running."""
        return (
            "the Docker daemon does not answer, and the container may still run: "
            f"`docker rm --force {self._id[:12]}` removes it, or the next run into the same folder"
        )

    def _follow(self) -> None:
        """Follow the whole log from its beginning and what comes, and the figures from now on."""
        output = self._client.logs(self._id, stdout=True, stderr=True, stream=True, follow=True)
        self._spawn(self._copy_log, output)
        self._spawn(self._sample)

    def _spawn(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=self._guard, args=(target, *arguments), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _guard(self, target: Any, *arguments: Any) -> None:
        """Keep a thread's failure, which must not be silent: the daemon was lost on the way."""
        try:
            target(*arguments)
        except Exception as error:
            self._lost = self._lost or error

    def _copy_log(self, output: Any) -> None:
        """Copy the log and close the SDK's socket, of which a thousand jobs would use up all."""
        try:
            LogSink(self._log, self._echo).copy(output)
        finally:
            output._response.close()  # the stream's own close() leaves the descriptor open

    def _await_end(self) -> None:
        """Wait for the daemon's word. Neither the log's nor the control group's end is the end."""
        try:
            while not self._ended.is_set() and not self._stopped():
                pass
        finally:
            self._ended.set()

    def _stopped(self) -> bool:
        try:
            result = self._client.wait(self._id, timeout=WAIT_SECONDS)
        except Exception as error:
            if _is_timeout(error):
                return self._ended_unsaid(error)
            if not _is_broken(error):
                raise
            return self._reconnect(error)
        return "StatusCode" in result

    def _ended_unsaid(self, reason: Exception) -> bool:
        """Ask a daemon that has been quiet: has the container ended? Raises if it hangs."""
        deadline = time.monotonic() + DAEMON_PATIENCE
        while not self._ended.is_set():
            try:
                return not self._client.inspect_container(self._id)["State"]["Running"]
            except Exception as error:
                if _is_timeout(error) and time.monotonic() < deadline:
                    continue
                if _is_timeout(error) or not _is_broken(error):
                    raise
                return self._reconnect(reason)
        return True

    def _reconnect(self, reason: Exception) -> bool:
        """Wait for a daemon that went away; True if the container has ended meanwhile."""
        self._unwatched = True
        deadline = time.monotonic() + DAEMON_PATIENCE
        while time.monotonic() < deadline and not self._ended.wait(DAEMON_PAUSE):
            try:
                state = self._client.inspect_container(self._id)["State"]
                if state["Running"]:
                    self._follow()
                    return False
            except Exception as error:
                if _is_broken(error) or _is_timeout(error):
                    continue
                raise
            return True
        raise reason

    def _sample(self) -> None:
        """Measure until the container has ended."""
        pid = self._client.inspect_container(self._id)["State"]["Pid"]
        group = ControlGroup.of(pid, self._id) if pid else None
        while pid and not self._ended.is_set():
            self._meter.add(self._ask() if group is None else group.read())
            self._ended.wait(SAMPLE_SECONDS)

    def _ask(self) -> CgroupReading | None:
        """Return the daemon's own figures, for one whose control groups can't be seen."""
        stats = self._client.stats(self._id, stream=False, one_shot=True)
        memory = stats.get("memory_stats", {})
        detail = memory.get("stats", {})
        if "usage" not in memory:
            return None
        return CgroupReading(
            cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            memory_bytes=detail.get("anon", detail.get("total_rss", memory["usage"])),
            peak_bytes=memory.get("max_usage"),
            oom_kills=0,
        )

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(seconds)

    def usage(self) -> Any:
        return self._meter.usage()

    def stop(self, grace: float) -> None:
        """Send TERM, then KILL after ``grace`` seconds."""
        if self._signal("SIGTERM") and self._ended.wait(grace):
            return
        if self._signal("SIGKILL"):
            self._ended.wait(10)

    def _signal(self, name: str) -> bool:
        """Send a signal; False if the daemon does not even answer."""
        try:
            self._patience.ask(lambda: self._client.kill(self._id, signal=name))
        except EngineUnavailable:
            return False
        except Exception:  # it has ended, or is gone: the ending says what became of it
            return True
        return True

    def ending(self) -> Ending:
        self._join()
        try:
            state = self._inspect()["State"]
        except Exception as error:
            self._meter.end()
            detail, left = str(self._lost or error), ""
            if isinstance(error, EngineUnavailable) or _is_timeout(error) or _is_broken(error):
                detail = left = self._left()
            return Ending(None, Cause.ENGINE_LOST, self._meter.usage(), detail, left)
        self._meter.end(_wall_seconds(state), whole=not self._adopted)
        usage = self._meter.usage()
        if self._adopted:  # its highest memory may have been before anybody here looked
            usage = usage.model_copy(update={"peak_memory_bytes": None})
        return Ending(
            exit_code=state["ExitCode"],
            cause=self._cause(state),
            usage=usage,
            detail=state.get("Error", ""),
        )

    def _join(self) -> None:
        """Wait for what is still to be read, shortly: of a daemon that hangs nothing comes."""
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < deadline and not self._patience.is_over:
                thread.join(0.1)

    def _cause(self, state: dict[str, Any]) -> Cause | None:
        if state.get("Running"):
            return Cause.ENGINE_LOST
        if state["ExitCode"] == 0:
            return None
        if state.get("OOMKilled") or self._meter.oom_kills:
            return Cause.OUT_OF_MEMORY
        if self._unwatched and self._ended_from_outside(state["ExitCode"]):
            return Cause.ENGINE_LOST
        if state["ExitCode"] in (137, 143):  # nobody but a person or the daemon sends these
            return Cause.KILLED
        return None

    def _ended_from_outside(self, exit_code: int) -> bool:
        if exit_code == STARTER_ENDED:  # a model that ends with it says why
            return not (self._log.is_file() and self._log.stat().st_size)
        return exit_code in ENDED_FROM_OUTSIDE

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not (kind is not None and issubclass(kind, DiskFull) and self._ended.is_set()):
            self._remove()  # otherwise the next command publishes it, when there is room
        self._ended.set()
        self._join()
        busy = self._patience.is_over or any(thread.is_alive() for thread in self._threads)
        if self._give_back is not None and not busy:
            self._give_back(self._client)

    def _remove(self) -> None:
        from docker.errors import APIError, NotFound
        from requests.exceptions import RequestException

        remove = partial(self._client.remove_container, self._id, force=True, v=True)
        for pause in (0.0, 0.5, 2.0):
            time.sleep(pause)
            try:
                self._patience.ask(remove)
            except (NotFound, EngineUnavailable):
                return
            except (APIError, RequestException):
                continue  # the next sweep of this results folder finds it by its labels
            return


def _is_timeout(error: Exception) -> bool:
    from requests.exceptions import ConnectionError as Broken
    from requests.exceptions import Timeout

    return isinstance(error, Timeout) or (isinstance(error, Broken) and "timed out" in str(error))


def _is_broken(error: Exception) -> bool:
    """Return whether the daemon went away in the middle of an answer, or can't be asked."""
    from docker.errors import APIError
    from requests.exceptions import ChunkedEncodingError
    from requests.exceptions import ConnectionError as Broken

    if isinstance(error, APIError):  # a daemon that is shutting down or starting up
        return bool(error.is_server_error())
    return isinstance(error, Broken | ChunkedEncodingError | OSError)


def _wall_seconds(state: dict[str, Any]) -> float | None:
    """Return seconds by the daemon's clock; it writes nanoseconds, of which Python takes micro."""
    try:
        started, finished = (
            datetime.fromisoformat(state[key][:26].rstrip("Z") + "+00:00")
            for key in ("StartedAt", "FinishedAt")
        )
    except (KeyError, ValueError):
        return None
    seconds = (finished - started).total_seconds()
    return seconds if seconds >= 0 else None
