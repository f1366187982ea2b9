"""MLflow's address, the destination of the copies, and its form without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from multiverse.runs.folder import ResultsFolder

VARIABLE = "MLFLOW_TRACKING_URI"
_USER = re.compile(r"(?<=//)[^/?#\s'\"]*@")
_QUERY = re.compile(r"\?\S*")


def installed() -> bool:
    """Return whether the extra ``mlflow`` is installed; it is not imported."""
    return find_spec("mlflow") is not None


def local_uri(results: ResultsFolder) -> str:
    """Return the URI of the results folder's own store; unusual names as MLflow reads them."""
    path = str(results.tracking.absolute())
    if re.fullmatch(r"[\w./ -]+", path):
        return f"sqlite:///{path}"
    try:
        from sqlalchemy import URL  # comes with MLflow; its versions differ in what they escape
    except Exception:  # a damaged installation; that MLflow can't be used is said where it is
        return f"sqlite:///{path}"
    return URL.create("sqlite", database=path).render_as_string(hide_password=False)


def artifacts_folder(results: ResultsFolder) -> Path:
    """Return the folder of files of the store in the results folder."""
    return results.tracked_files.absolute()


def default_uri(results: ResultsFolder, environment: Mapping[str, str]) -> str | None:
    """Return ``MLFLOW_TRACKING_URI``, else the results folder's own store; None without MLflow."""
    named = environment.get(VARIABLE, "").strip()
    if named:
        return named
    return local_uri(results) if installed() else None


def shown(uri: str) -> str:
    """Return a URI for people: without user, password and query."""
    return _QUERY.sub("", _USER.sub("", uri))


def masked(uri: str) -> str:
    """Return a URI for a command line to complete: ``***`` where user and password were."""
    return _QUERY.sub("", _USER.sub("***@", uri))


def without_secrets(text: str, uri: str) -> str:
    """Return a message of MLflow's without what must not be read of the URI, in any form."""
    text = text.replace(uri, shown(uri))
    for user in _USER.findall(uri):
        for part in {user[:-1], *user[:-1].split(":", 1)[1:]}:
            for secret in {part, unquote(part)} - {""}:
                text = text.replace(secret, "***")
    return _USER.sub("", text)
