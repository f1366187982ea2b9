"""Everything that can go wrong for a user, as one tree; each kind has the exit code of its command.

::

    MultiverseError            1
    ├── UsageError             2   the request itself is wrong: arguments, names, benchmark file
    │   └── SpecError          2   a YAML file: every problem of it, with line numbers
    ├── DatasetError           3   a dataset can't be read, or is not what a model may be given
    ├── EngineError            4   the engine can't do its work
    │   ├── EngineUnavailable  4   no daemon, no permission, no uv
    │   ├── ImageMissing       4   an image is neither here nor can be built
    │   ├── ForeignImage       4   another program's image has the name of one of ours
    │   ├── BuildError         4   an image or an environment could not be built
    │   └── ChecksUnavailable  4   the process that checks outputs does not work here
    ├── ResultsError           5   the results folder: not writable, damaged
    │   ├── ResultsLocked      5   another runner works on it
    │   ├── NoLocks            5   its file system has no locks
    │   └── DiskFull           5   no room left
    ├── Unforeseen             5   what no code expected; its traceback is in a log
    ├── EvaluationFailed       1   the evaluator brought no scores of a dataset
    ├── JobsFailed             1   the command did its work, but not every job succeeded
    ├── Cancelled            130   Ctrl-C or SIGTERM
    └── NotApplicable         99   inside a container: the model can't say anything about these data

A message says what happened, to which thing; ``remedy`` says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MultiverseError(Exception):
    """Base of all expected failures. ``str()`` is the message, ``remedy`` the next step."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(MultiverseError):
    """The request is wrong: unknown name, impossible combination, bad argument."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file that a user wrote. ``line`` counts from 1."""

    message: str
    line: int | None = None
    where: str = ""


class SpecError(UsageError):
    """A YAML file is wrong. Carries every problem that was found, in the order of the file.

    ``source`` is the file's name, or empty for what was said on the command line.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = self.source if problem.line is None else f"{self.source}:{problem.line}"
        parts = (place, problem.where, problem.message)
        return ": ".join(part for part in parts if part)


class DatasetError(MultiverseError):
    """A dataset can't be read, or can't be made canonical without inventing something."""

    exit_code = 3


class EngineError(MultiverseError):
    """An engine can't do its work."""

    exit_code = 4


class EngineUnavailable(EngineError):
    """The engine is not on this machine, not running, or not ours to use."""


class ImageMissing(EngineError):
    """The image of a model is not on this machine, and nothing here can build it."""


class ForeignImage(EngineError):
    """An image has the name of one of ours, and is another program's: neither run nor replaced."""


class BuildError(EngineError):
    """An image or a locked environment could not be made."""


class ChecksUnavailable(EngineError):
    """The process that checks outputs does not work here; nothing is known of any output."""


class ResultsError(MultiverseError):
    """The results folder can't be used."""

    exit_code = 5


class ResultsLocked(ResultsError):
    """Another runner is working on the same results folder."""


class NoLocks(ResultsError):
    """A folder lies on a file system without locks, where two commands can't be kept apart."""


class DiskFull(ResultsError):
    """The disk of the results folder has no room left."""


class Unforeseen(MultiverseError):
    """An error that no code expected, as a command tells of it; in Python it stays what it is."""

    exit_code = 5


class EvaluationFailed(MultiverseError):
    """The evaluator ended without a score; runs stay as they are."""


class JobsFailed(MultiverseError):
    """At least one job did not succeed; the others are complete."""

    exit_code = 1


class Cancelled(MultiverseError):
    """Stopped on request: containers are gone, finished runs are published."""

    exit_code = 130


class NotApplicable(MultiverseError):
    """Raised by a model: these data lack what the method needs. Neither failure nor score."""

    exit_code = 99
