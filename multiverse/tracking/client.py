"""The one module that talks to MLflow, through its client: a user's own active run is untouched.

Every failure leaves it as :class:`Unreachable` or :class:`Refused`, in words and without secrets.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.tracking import MlflowClient
from requests import HTTPError, RequestException
from sqlalchemy import create_engine, inspect

from multiverse.tracking.entry import FINGERPRINT, RUN_ID, STARTED_AT, Entry, Key
from multiverse.tracking.measured import MetricPoint
from multiverse.tracking.quiet import environment
from multiverse.tracking.uri import without_secrets

COPIED = "multiverse.copied"
SCORES = "multiverse.scores"
FILES = "multiverse.files"
COMPLETE = "complete"
#: Opens an experiment in MLflow's pages for training, not in those for language models.
KIND = {"mlflow.experimentKind": "custom_model_development"}
#: MLflow's limits of one request, with room for what JSON makes of them.
MAX_METRICS, MAX_OTHERS, MAX_REQUEST_BYTES = 1000, 100, 500_000
#: MLflow's limits of a dataset's name and digest, in characters.
MAX_DATASET_NAME, MAX_DIGEST = 500, 36
PAGE = 200
Logged = TypeVar("Logged", Metric, Param, RunTag)


class Failure(Exception):
    """Something was not copied; the message says why."""


class Unreachable(Failure):
    """There is no answer: the next request would only wait as long."""


class Refused(Failure):
    """MLflow answered, and would not."""


@dataclass(frozen=True)
class Copy:
    """A run that MLflow has, as far as it says: ``complete`` once everything was sent."""

    id: str
    key: Key
    complete: bool
    tags: Mapping[str, str]


class Store:
    """One MLflow server or database.

    ``artifacts``: where a local one keeps files. ``upload``: environment variables for the time
    in which a file is sent.
    """

    def __init__(
        self, uri: str, artifacts: Path | None = None, upload: Mapping[str, str] | None = None
    ) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._upload = upload or {}
        self._experiments: dict[str, str] = {}
        with self._told():
            _probe(uri)
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made if need be."""
        if name not in self._experiments:
            with self._told():
                found = self._client.get_experiment_by_name(name)
                found = found or self._client.get_experiment(self._make(name))
            self._check(found)
            self._experiments[name] = str(found.experiment_id)
        return self._experiments[name]

    def _make(self, name: str) -> str:
        location = None if self._artifacts is None else self._artifacts.as_uri()
        try:
            return str(self._client.create_experiment(name, location, KIND))
        except MlflowException as error:
            made = self._client.get_experiment_by_name(name)  # by somebody else, meanwhile
            if made is None:
                raise error from None
            return str(made.experiment_id)

    def _check(self, found: Experiment) -> None:
        if found.lifecycle_stage != "active":
            raise Refused(
                f"the experiment {found.name} was deleted there: restore it, or name another one"
            )
        place = unquote(urlsplit(found.artifact_location).path)
        if self._artifacts is not None and Path(place) != self._artifacts:
            raise Refused(
                f"the local store keeps its files in {place}, not in this results folder: remove "
                "mlflow.db and .mlflow-artifacts, they are made anew from the runs"
            )

    def copies(self, experiment: str, fingerprint: str) -> list[Copy]:
        """The copies of all runs on one dataset, oldest first."""
        if re.fullmatch(r"[\w.:-]+", fingerprint):
            query = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        else:
            query = f"tags.`{RUN_ID}` LIKE '%'"
        return self._search(experiment, query)

    def copies_of(self, experiment: str, key: Key) -> list[Copy]:
        """The copies of one run, oldest first: more than one if a request was sent twice."""
        found = self._search(experiment, f"tags.`{RUN_ID}` = '{key.run_id}'")
        return [copy for copy in found if copy.key == key]

    def _search(self, experiment: str, query: str) -> list[Copy]:
        found: list[MlflowRun] = []
        token = None
        with self._told():
            while True:
                page = self._client.search_runs(
                    [experiment], query, max_results=PAGE, page_token=token
                )
                found += page
                token = page.token
                if not token:
                    break
        return [_copy(run) for run in reversed(found)]  # MLflow's order: the newest first

    def create(self, experiment: str, entry: Entry) -> Copy:
        """A run without its content; it says from the first moment what it is a copy of."""
        known = {name: entry.tags[name] for name in (RUN_ID, STARTED_AT, FINGERPRINT)
                 if name in entry.tags}  # fmt: skip
        with self._told():
            run = self._client.create_run(
                experiment, start_time=entry.start, tags=known, run_name=entry.name
            )
        return _copy(run)

    def fill(
        self, copy: Copy, entry: Entry, points: Sequence[MetricPoint], tags: Mapping[str, str]
    ) -> None:
        """Parameters, ``tags`` and those of the entry, metrics, and the dataset."""
        self._log(
            copy,
            [Metric(point.name, point.value, entry.end, point.step) for point in points],
            [Param(*item) for item in entry.params.items()],
            [RunTag(*item) for item in {**entry.tags, **tags}.items()],
        )
        dataset = Dataset(
            name=entry.dataset[:MAX_DATASET_NAME],
            digest=entry.fingerprint[:MAX_DIGEST],
            source_type="multiverse",
            source=json.dumps({"dataset": entry.dataset, "fingerprint": entry.fingerprint}),
            profile=json.dumps({"cells": entry.n_obs}),
        )
        context = InputTag("mlflow.data.context", "integration")
        with self._told():
            self._client.log_inputs(copy.id, datasets=[DatasetInput(dataset, [context])])

    def _log(
        self,
        copy: Copy,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        with self._told():
            for some in batches(metrics, MAX_METRICS):
                self._client.log_batch(copy.id, metrics=some)
            for settings in batches(params, MAX_OTHERS):
                self._client.log_batch(copy.id, params=settings)
            for words in batches(tags, MAX_OTHERS):
                self._client.log_batch(copy.id, tags=words)

    def upload(self, copy: Copy, path: Path) -> None:
        """A file, by its own name."""
        with environment(self._upload), self._told():
            self._client.log_artifact(copy.id, str(path))

    def finish(self, copy: Copy, entry: Entry, tags: Mapping[str, str]) -> None:
        """The last step: only now the copy counts."""
        self._log(copy, tags=[RunTag(*item) for item in tags.items()])
        with self._told():
            self._client.set_terminated(copy.id, entry.status, entry.end)
            self._client.set_tag(copy.id, COPIED, COMPLETE)

    def delete(self, copy: Copy) -> None:
        """Put a copy in MLflow's own trash; a local one's files, which the run has too, go."""
        with self._told():
            self._client.delete_run(copy.id)
        if self._artifacts is not None and copy.id.isalnum():
            shutil.rmtree(self._artifacts / copy.id, ignore_errors=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What went wrong, as one of this module's two errors.

        All exceptions: those of an artifact store's own library (S3, Azure, SFTP …) pass through
        MLflow, and none of them may end a command whose runs are safe on disk.
        """
        try:
            yield
        except Exception as error:
            reason = without_secrets(_words(error), self._uri)
            if isinstance(error, RestException) or _network_error(error) is None:
                raise Refused(reason) from error
            raise Unreachable(reason) from error


def batches(items: Sequence[Logged], most: int) -> Iterator[list[Logged]]:
    """Parts of at most ``most`` items, and of not much more than :data:`MAX_REQUEST_BYTES`."""
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


def _probe(uri: str) -> None:
    """Ask a database once: MLflow would try for minutes to open one that is damaged or down."""
    if urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES:
        engine = create_engine(uri)
        try:
            inspect(engine).get_table_names()
        finally:
            engine.dispose()


def _copy(run: MlflowRun) -> Copy:
    tags = dict(run.data.tags)
    return Copy(
        id=run.info.run_id,
        key=Key(tags.get(RUN_ID, ""), tags.get(STARTED_AT, "")),
        complete=tags.get(COPIED) == COMPLETE and run.info.status != "RUNNING",
        tags=tags,
    )


def _network_error(error: BaseException | None) -> RequestException | None:
    """The failure of the network behind an error; MLflow wraps it, with or without a cause."""
    while error is not None:
        if isinstance(error, RequestException) and not _answered(error):
            return error
        error = error.__cause__ or error.__context__
    return None


def _answered(error: RequestException) -> bool:
    return isinstance(error, HTTPError) and error.response is not None


def _words(error: Exception) -> str:
    network = _network_error(error)
    if network is None or isinstance(error, RestException):
        return f"{type(error).__name__}: {error}"[:500].splitlines()[0]
    text = str(network)
    if "timed out" in text.lower():
        return "it gives no answer in time"
    if "too many" in text:
        return "it answers with errors again and again"
    system = re.search(r"\[Errno -?\d+\] ([\w ]+)", text)
    return f"there is no connection: {system[1] if system else type(network).__name__}"
