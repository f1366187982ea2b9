"""Using MLflow inside somebody else's process: briefly, silently, and leaving no trace."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

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


def _unset(values: Mapping[str, str]) -> dict[str, str]:
    """Those that the user has not set."""
    return {name: value for name, value in values.items() if name not in os.environ}


@contextmanager
def quiet() -> Iterator[dict[str, str]]:
    """MLflow imported, with short patience and no chatter; raises ImportError without it.

    Yields the variables to set while a file is sent.

    What MLflow does with its settings at import (its telemetry) sees the right ones, if it is
    imported here first.
    """
    upload = _unset(UPLOAD)
    with environment({**_unset(DEFAULTS), **FORCED}):
        import_module("mlflow")
        loggers = [logging.getLogger(name) for name in LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield upload
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
