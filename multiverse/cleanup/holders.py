"""The holders of a run: runners by their locks, and jobs that a killed runner left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from multiverse.cleanup.removable import NotRemoved
from multiverse.contract.files import open_regular
from multiverse.contract.folders import names_in
from multiverse.engines.docker import DockerEngine
from multiverse.engines.local import LocalEngine
from multiverse.errors import EngineError, ResultsError
from multiverse.runner.prepared import owner_labels
from multiverse.runs.folder import ResultsFolder, is_run_id
from multiverse.runs.lock import RunLocks, folder_lock, is_locked

_SUFFIX = ".lock"


def run_locks(results: ResultsFolder) -> dict[str, str | None]:
    """Return every run with a lock's file: who holds it, in words, or None for nobody.

    Looked at under the folder's own lock, so that no runner takes the look for a holder. Where
    that can't be had (a folder of somebody else), every lock counts as held.
    """
    try:
        names = names_in(results.attempts)
    except OSError:
        return {}
    found = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    run_ids = sorted(filter(is_run_id, found))
    if not run_ids:
        return {}
    try:
        with folder_lock(results):
            return {run_id: _holder(results, run_id) for run_id in run_ids}
    except ResultsError:
        return dict.fromkeys(run_ids, "perhaps another process: its lock can't be tried")


def _holder(results: ResultsFolder, run_id: str) -> str | None:
    try:
        descriptor = open_regular(results.run_lock(run_id))
    except OSError:
        return None
    try:
        if not is_locked(descriptor):
            return None
        return os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(descriptor)


@contextmanager
def held(results: ResultsFolder, run_id: str) -> Iterator[None]:
    """Hold a run's lock while a block lasts; :class:`NotRemoved` where another has it."""
    locks = RunLocks(results)
    if not locks.acquire(run_id):
        raise NotRemoved(f"{locks.holder(run_id)} is working on it")
    try:
        yield
    finally:
        locks.release(run_id)


@dataclass(frozen=True)
class LeftJobs:
    """Jobs of a results folder that are still there although their runner may not be.

    Asked for once, and only if something depends on it.
    """

    results: ResultsFolder

    def reason_to_keep(self, run_id: str, attempt: str, engine: str | None) -> str | None:
        """Return why an unfinished attempt must stay; None if no job stands behind it."""
        again = "the next `multiverse run` takes care of it"
        if (run_id, attempt) in self._processes:
            return f"its process is still there; {again}"
        if self._containers is None:
            if engine == LocalEngine.name:
                return None
            return "its container may still be there: the Docker daemon does not answer"
        if (run_id, attempt) in self._containers:
            return f"its container is still there; {again}"
        return None

    def has_process(self, run_id: str) -> bool:
        """Return whether a process of any attempt of the run is still there."""
        return any(run_id == found for found, _ in self._processes)

    @cached_property
    def _processes(self) -> frozenset[tuple[str, str]]:
        return _jobs(LocalEngine(), self.results)

    @cached_property
    def _containers(self) -> frozenset[tuple[str, str]] | None:
        try:
            return _jobs(DockerEngine(), self.results)
        except EngineError:
            return None


def _jobs(engine: DockerEngine | LocalEngine, results: ResultsFolder) -> frozenset[tuple[str, str]]:
    orphans = engine.orphans(owner_labels(results))
    return frozenset((orphan.run_id, orphan.attempt) for orphan in orphans)
