"""Brings MLflow up to date with a results folder: each run once, whatever happened before."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from multiverse.contract.folders import exists, is_file, is_folder
from multiverse.contract.output import MIB
from multiverse.errors import ResultsError, UsageError
from multiverse.events import Noted, Tell, silent
from multiverse.exclusive import exclusive
from multiverse.facts import RunState
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.writing import disk_errors
from multiverse.tracking.outcome import Tally, Tracked
from multiverse.tracking.quiet import quiet
from multiverse.tracking.uri import default_uri, installed, local_uri, masked, shown

#: What is copied: a run that was cancelled has not ended, it goes on with the next command.
FINISHED = frozenset({RunState.COMPLETE, RunState.FAILED, RunState.NOT_APPLICABLE})
EMBEDDINGS_LIMIT = 100 * MIB
#: How long another command that copies the same folder is waited for, in seconds.
WAIT_SECONDS = 600.0


def track(
    results: Results,
    uri: str | None = None,
    *,
    experiment: str | None = None,
    embeddings_limit: int = EMBEDDINGS_LIMIT,
    seconds: float | None = None,
    tell: Tell = silent,
) -> Tracked:
    """Copy every finished run that MLflow lacks, and scores that came later.

    Parameters
    ----------
    uri
        MLflow's address; by default :func:`default_uri`.
    experiment
        Instead of the one that each run was recorded with.
    embeddings_limit
        Embeddings of more bytes stay in the results folder.
    seconds
        After so many no further run is begun; None: no limit.
    tell
        Told a line for each run that is copied or updated.

    A server that is down, slow or dies in the middle is no error: what is missing is returned,
    with the command that copies it later. Raises :class:`UsageError` without MLflow and
    where it can't be imported, :class:`ResultsError` where the folder can't be written.
    """
    target = uri or default_uri(results.paths, os.environ)
    if target is None or not installed():
        raise UsageError("MLflow is not installed here", remedy="Install it: pip install mlflow")
    runs = [run for run in results.runs if run.record.state in FINISHED]
    tally = Tally(notes=list(results.damaged_records))
    local = results.paths.tracked_files.absolute() if target == local_uri(results.paths) else None
    try:
        wait = WAIT_SECONDS if seconds is None else seconds
        with _alone(results.paths, wait, tell), quiet() as upload:
            if local is not None:
                _check_own(results.paths)
            from multiverse.tracking.store import Failure, Store, told
            from multiverse.tracking.sync import Sync

            try:
                with told(target):
                    store = Store(target, local, upload)
                sync = Sync(store, results, tally, experiment, embeddings_limit)
                sync.all(runs, seconds, tell)
            except Failure as error:
                tally.lost(runs, str(error))
    except TimeoutError:
        tally.lost(runs, "another command was copying these runs all the time")
    return tally.outcome(shown(target), _command(results.paths, uri))


def _check_own(results: ResultsFolder) -> None:
    """Raise :class:`ResultsError` where the local store's libraries would follow a link.

    SQLite and MLflow go by path: they would write to what a link in a shared folder leads to.
    """
    wrong = [path for path in results.tracking_files if exists(path) and not is_file(path)]
    if exists(results.tracked_files) and not is_folder(results.tracked_files):
        wrong.append(results.tracked_files)
    if wrong:
        raise ResultsError(
            f"{wrong[0]} is not a file or folder of this results folder itself",
            remedy="Move it away, or name another store: multiverse track RESULTS --uri URI.",
        )


def _command(results: ResultsFolder, uri: str | None) -> str:
    """Return what copies the rest later."""
    words = ["multiverse", "track", str(results.folder)]
    return shlex.join(words if uri is None else [*words, "--uri", masked(uri)])


@contextmanager
def _alone(results: ResultsFolder, wait: float, tell: Tell) -> Iterator[None]:
    """Keep others out: two commands at once would each copy what the other has not finished."""
    words = "another command copies these runs to MLflow: waiting for it"
    with ExitStack() as held:
        with disk_errors(results.folder):
            waiting = partial(tell, Noted(words))
            lock = exclusive(results.tracking_lock, seconds=wait, waiting=waiting)
            held.enter_context(lock)
        yield
