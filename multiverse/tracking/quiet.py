"""Using MLflow inside somebody else's process: briefly, silently, and leaving no trace."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from multiverse.errors import UsageError

#: For whoever has not set them: MLflow's own (120 s, 7 repetitions) would hold a run up for
#: a quarter of an hour when its server hangs.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
#: A server passes large files on before it answers.
UPLOAD = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
#: Nothing is reported to MLflow's authors, printed, or done in the background.
FORCED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
LOGGERS = ("mlflow", "alembic", "urllib3")


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; what was there before is there after it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[dict[str, str]]:
    """Import MLflow, and keep it short and silent; :class:`UsageError` if it can't be imported.

    Yields the variables to set while a file is sent. What MLflow does with its settings at
    import (its telemetry) sees the right ones, if it is imported here first.
    """
    upload, unset = ({name: text for name, text in values.items() if name not in os.environ}
                     for values in (UPLOAD, DEFAULTS))  # fmt: skip
    with environment({**unset, **FORCED}):
        try:
            import_module("multiverse.tracking.store")
        except Exception as error:  # a damaged package, or one that does not fit: anything
            reason = (str(error).splitlines() or [""])[0][:300]
            raise UsageError(
                f"MLflow can't be used here: {type(error).__name__}: {reason}",
                remedy="Install it anew: pip install --force-reinstall mlflow",
            ) from error
        levels = {logger: logger.level for logger in map(logging.getLogger, LOGGERS)}
        for logger in levels:
            logger.setLevel(logging.CRITICAL)
        try:
            yield upload
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)
