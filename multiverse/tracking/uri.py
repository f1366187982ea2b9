"""Where the copies go: MLflow's address, and how it is shown without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import unquote

from multiverse.runs.folder import ResultsFolder

VARIABLE = "MLFLOW_TRACKING_URI"
_USER = re.compile(r"(?<=//)[^/?#\s'\"]*@")
_QUERY = re.compile(r"\?\S*")


def installed() -> bool:
    """Whether the extra ``mlflow`` is installed; it is not imported."""
    return find_spec("mlflow") is not None


def local_uri(results: ResultsFolder) -> str:
    """The store in the results folder itself; an unusual name is quoted as MLflow reads it."""
    path = str(results.tracking.absolute())
    if re.fullmatch(r"[\w./ -]+", path):
        return f"sqlite:///{path}"
    try:
        from sqlalchemy import URL  # comes with MLflow; its versions differ in what they escape
    except Exception:  # a damaged installation; that MLflow can't be used is said where it is
        return f"sqlite:///{path}"
    return URL.create("sqlite", database=path).render_as_string(hide_password=False)


def default_uri(results: ResultsFolder, environment: Mapping[str, str]) -> str | None:
    """``MLFLOW_TRACKING_URI``, else the results folder's own store; None without MLflow."""
    named = environment.get(VARIABLE, "").strip()
    if named:
        return named
    return local_uri(results) if installed() else None


def shown(uri: str) -> str:
    """A URI for people: without user, password and query."""
    return _QUERY.sub("", _USER.sub("", uri))


def masked(uri: str) -> str:
    """A URI for a command line that people complete: ``***`` where user and password were."""
    return _QUERY.sub("", _USER.sub("***@", uri))


def without_secrets(text: str, uri: str) -> str:
    """A message of MLflow's, without what must not be read of the URI, in any form."""
    text = text.replace(uri, shown(uri))
    for user in _USER.findall(uri):
        for part in {user[:-1], *user[:-1].split(":", 1)[1:]}:
            for secret in {part, unquote(part)} - {""}:
                text = text.replace(secret, "***")
    return _USER.sub("", text)
