"""A function run in a process of its own, for its result alone.

OpenMP's threads don't survive a copy of the process: one that has computed anything with them must
not be copied any more.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from multiverse.contract.parent import end_with
from multiverse.errors import MultiverseError

Result = TypeVar("Result")


def computed_apart(function: Callable[[], Result]) -> Result:
    """Return what the function returns; raise :class:`MultiverseError` with its message."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, function, os.getpid()))
    process.start()
    there.close()
    try:
        result, error = here.recv()
    except EOFError:
        process.join()
        raise MultiverseError(
            f"reading the dataset ended the process (exit code {process.exitcode}); "
            "-9 means that memory ran out"
        ) from None
    process.join()
    if error:
        raise MultiverseError(error)
    found: Result = result
    return found


def _answer(pipe: Connection, function: Callable[[], object], parent: int) -> None:
    end_with(parent)
    try:
        pipe.send((function(), ""))
    except MultiverseError as error:
        pipe.send((None, str(error)))
    except Exception as error:
        traceback.print_exc()
        pipe.send((None, f"{type(error).__name__}: {error}"))
