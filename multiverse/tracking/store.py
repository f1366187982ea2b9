"""The one module that talks to MLflow, through its client: a user's own active run is untouched."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.tracking import MlflowClient
from requests import HTTPError, RequestException
from sqlalchemy import Engine, create_engine, inspect, text

from multiverse.contract.files import open_regular, write_aside
from multiverse.contract.folders import make_folder, names_in, remove_tree
from multiverse.tracking.entry import FINGERPRINT, RUN_ID, STARTED_AT, Entry, MetricPoint
from multiverse.tracking.quiet import environment
from multiverse.tracking.uri import without_secrets

COPIED = "multiverse.copied"
COMPLETE = "complete"
#: Opens an experiment in MLflow's pages for training, not in those for language models.
KIND = {"mlflow.experimentKind": "custom_model_development"}
#: MLflow's limits of one request, with room for what JSON makes of them.
MAX_METRICS, MAX_OTHERS, MAX_REQUEST_BYTES = 1000, 100, 500_000
#: MLflow's limits of a dataset's name and digest, in characters.
MAX_DATASET_NAME, MAX_DIGEST = 500, 36
PAGE = 200
#: What runs a database's own code when it is read or written. MLflow's one trigger is on secrets.
_OTHERS = """
SELECT CASE WHEN type = 'table' THEN 'virtual table' ELSE type END FROM sqlite_master
WHERE type NOT IN ('table', 'index', 'trigger') OR (type = 'table' AND rootpage = 0)
OR (type = 'trigger' AND lower(tbl_name) != 'secrets')
"""
#: A run that MLflow has.
Copy: TypeAlias = MlflowRun
Logged = TypeVar("Logged", Metric, Param, RunTag)


class Failure(Exception):
    """Something was not copied; the message says why."""


class Unreachable(Failure):
    """There is no answer: the next request would only wait as long."""


class Refused(Failure):
    """MLflow answered, and would not."""


class Store:
    """One MLflow server or database; what its methods raise is for :func:`told`.

    ``artifacts``: where a local one keeps files. ``upload``: environment variables for the time
    in which files are sent.
    """

    def __init__(
        self, uri: str, artifacts: Path | None = None, upload: Mapping[str, str] | None = None
    ) -> None:
        self.uri = uri
        self._artifacts = artifacts
        self._upload = upload or {}
        if urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES:
            engine = create_engine(uri)
            try:  # MLflow would try for minutes to open one that is damaged or down
                inspect(engine).get_table_names()
                if artifacts is not None:
                    _check_plain(engine)
            finally:
                engine.dispose()
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made if need be."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = None if self._artifacts is None else self._artifacts.as_uri()
            try:
                made = self._client.create_experiment(name, location, KIND)
                found = self._client.get_experiment(made)
            except MlflowException:  # somebody else may have made it meanwhile
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise Refused(
                f"the experiment {name} was deleted there: restore it, or name another one"
            )
        place = unquote(urlsplit(found.artifact_location).path)
        if self._artifacts is not None and Path(place) != self._artifacts:
            raise Refused(
                f"the local store keeps its files in {place}, not in this results folder: remove "
                "mlflow.db and .mlflow-artifacts, they are made anew from the runs"
            )
        return str(found.experiment_id)

    def copies(self, experiment: str, tag: str, value: str) -> list[Copy]:
        """Return all copies with a tag, newest first."""
        query = f"tags.`{tag}` = '{value}'"
        found: list[Copy] = []
        token = None
        while True:
            page = self._client.search_runs([experiment], query, max_results=PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def make(
        self,
        experiment: str,
        entry: Entry,
        points: Sequence[MetricPoint],
        files: Path,
        tags: Mapping[str, str],
    ) -> None:
        """Copy a run with all in the folder ``files``; it counts as complete from the last step on.

        Another copy of it, made by a request that was sent twice, is deleted.
        """
        client, record = self._client, entry.record
        names = (RUN_ID, STARTED_AT, FINGERPRINT)
        known = {name: entry.tags[name] for name in names if name in entry.tags}
        run_id = client.create_run(experiment, entry.start, known, entry.name).info.run_id
        metrics = [Metric(point.name, point.value, entry.end, point.step) for point in points]
        for some in batches(metrics, MAX_METRICS):
            client.log_batch(run_id, metrics=some)
        for settings in batches([Param(*item) for item in entry.params.items()], MAX_OTHERS):
            client.log_batch(run_id, params=settings)
        words = [RunTag(*item) for item in {**entry.tags, **tags}.items()]
        for facts in batches(words, MAX_OTHERS):
            client.log_batch(run_id, tags=facts)
        source = {"dataset": record.dataset, "fingerprint": record.dataset_fingerprint}
        dataset = Dataset(
            name=record.dataset[:MAX_DATASET_NAME],
            digest=record.dataset_fingerprint[:MAX_DIGEST],
            source_type="multiverse",
            source=json.dumps(source),
            profile=json.dumps({"cells": record.n_obs}),
        )
        context = InputTag("mlflow.data.context", "integration")
        client.log_inputs(run_id, datasets=[DatasetInput(dataset, [context])])
        self._send(run_id, files)
        client.set_terminated(run_id, entry.status, entry.end)
        client.set_tag(run_id, COPIED, COMPLETE)
        for copy in self.copies(experiment, RUN_ID, record.run_id):
            if copy.info.run_id != run_id and entry.is_of(copy.data.tags):
                self.delete(copy)

    def _send(self, run_id: str, files: Path) -> None:
        """Send the files; those of a local store are put where MLflow looks for them.

        MLflow would take their place from the database, which somebody else may have written.
        """
        if self._artifacts is None:
            with environment(self._upload):
                self._client.log_artifacts(run_id, str(files))
            return
        if not run_id.isalnum():
            raise Refused("the local store is damaged: remove mlflow.db, it is made anew")
        place = self._artifacts / run_id / "artifacts"
        make_folder(place)
        for name in names_in(files):
            with os.fdopen(open_regular(files / name), "rb") as stream:
                write_aside(place / name, stream.read(), durable=False)

    def delete(self, copy: Copy) -> None:
        """Put a copy in MLflow's own trash; a local one's files, which the run has too, go."""
        run_id = copy.info.run_id
        self._client.delete_run(run_id)
        if self._artifacts is not None and run_id.isalnum():
            with suppress(OSError):
                remove_tree(self._artifacts / run_id)


def _check_plain(engine: Engine) -> None:
    """Raise :class:`Refused` for a local store with code in it that MLflow has not made.

    A trigger changes what is written, a view may be without end.
    """
    with engine.connect() as connection:
        others = connection.execute(text(_OTHERS)).scalars().all()
    if others:
        raise Refused(
            f"the local store holds a {others[0]} that is not MLflow's: remove mlflow.db and "
            ".mlflow-artifacts, they are made anew from the runs"
        )


def is_complete(copy: Copy) -> bool:
    """Return True once everything was sent."""
    return copy.data.tags.get(COPIED) == COMPLETE and copy.info.status != "RUNNING"


@contextmanager
def told(uri: str) -> Iterator[None]:
    """Raise whatever goes wrong as :class:`Unreachable` or :class:`Refused`, without secrets.

    All exceptions: those of an artifact store's own library (S3, Azure, SFTP …) pass through
    MLflow, and none of them may end a command whose runs are safe on disk.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        network = None if isinstance(error, RestException) else _network_error(error)
        if network is not None:
            raise Unreachable(_words(network)) from error
        words = f"{type(error).__name__}: {error}"[:500].splitlines()[0]
        raise Refused(without_secrets(words, uri)) from error


def batches(items: Sequence[Logged], most: int) -> Iterator[list[Logged]]:
    """Yield parts of at most ``most`` items, of not much more than :data:`MAX_REQUEST_BYTES`."""
    batch: list[Logged] = []
    room = MAX_REQUEST_BYTES
    for item in items:
        batch.append(item)
        room -= len(json.dumps(dict(item)))
        if len(batch) == most or room <= 0:
            yield batch
            batch, room = [], MAX_REQUEST_BYTES
    if batch:
        yield batch


def _network_error(error: BaseException | None) -> RequestException | None:
    """Find the failure of the network behind an error, which MLflow wraps; None if it answered."""
    while error is not None:
        answered = isinstance(error, HTTPError) and error.response is not None
        if isinstance(error, RequestException) and not answered:
            return error
        error = error.__cause__ or error.__context__
    return None


def _words(error: RequestException) -> str:
    words = str(error)
    if "timed out" in words.lower():
        return "it gives no answer in time"
    if "too many" in words:
        return "it answers with errors again and again"
    system = re.search(r"\[Errno -?\d+\] ([\w ]+)", words)
    return f"there is no connection: {system[1] if system else type(error).__name__}"
