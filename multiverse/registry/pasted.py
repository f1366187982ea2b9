"""Words and lines of next steps, which people paste into a shell."""

from __future__ import annotations

import json
import shlex
from pathlib import Path


def quoted(path: Path | str) -> str:
    """Return a path as one word of a shell."""
    return shlex.quote(str(path))


def literal(value: object) -> str:
    """Return a text as Python and R write it, in double quotes, which a shell's quotes leave alone.

    The escapes are those of JSON, which both know.
    """
    return json.dumps(str(value), ensure_ascii=not str(value).isprintable())


def python_line(code: str) -> str:
    """Return the command that runs some lines of Python."""
    return f"python -c {shlex.quote(code)}"
