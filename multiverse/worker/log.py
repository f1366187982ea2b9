"""The log of a run: the container's log and ``run.log``, every line at once in both."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path


class _UtcFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


@contextlib.contextmanager
def run_log(path: Path) -> Iterator[logging.Logger]:
    """Log to standard output and to ``path``, in UTC, until the block ends.

    Warnings of Python and of libraries go the same way. The root logger is left as it was.
    Raises OSError if the file can't be written.
    """
    formatter = _UtcFormatter("%(asctime)s %(levelname)s %(message)s")
    handlers: list[logging.Handler] = [
        logging.StreamHandler(sys.stdout),
        logging.FileHandler(path, mode="w", encoding="utf-8", errors="backslashreplace"),
    ]
    root, log = logging.getLogger(), logging.getLogger("multiverse.worker")
    level = log.level
    log.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    show = warnings.formatwarning
    logging.captureWarnings(True)
    warnings.formatwarning = _one_line
    try:
        yield log
    finally:
        warnings.formatwarning = show
        logging.captureWarnings(False)
        log.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,  # noqa: ARG001 - the signature of warnings.formatwarning
) -> str:
    return f"{category.__name__}: {message} ({Path(filename).name}:{lineno})"


def readable(error: BaseException) -> str:
    """Return one line that says what happened, ``ValueError: message``, and what to do next."""
    remedy = getattr(error, "remedy", None)
    message = " ".join(str(error).split()) or "no message"
    if isinstance(error, MemoryError):
        remedy = "Give the job more memory, or fewer features."
        message = f"the process ran out of memory ({message})"
    return f"{type(error).__name__}: {message}" + (f" {remedy}" if remedy else "")
