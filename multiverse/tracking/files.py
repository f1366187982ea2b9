"""The files of a run that are copied, and how they are read without trusting what they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from multiverse.contract.files import check_regular, stream_sha256
from multiverse.contract.output import MIB
from multiverse.runs.folder import AttemptFolder, RunFolder
from multiverse.runs.run import Run
from multiverse.runs.writing import SHA256

#: More than any honest file but an embedding or a log has.
FILE_LIMIT = 64 * MIB


class NotAsPublished(OSError):
    """The file is not the one that the run's record has the checksum of."""


@dataclass(frozen=True)
class Artifact:
    """A file to copy. ``checksum``: ``sha256:…`` as recorded, None where nothing was."""

    path: Path
    limit: int
    checksum: str | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def sound(self) -> bool:
        """True if it can be copied."""
        try:
            with staged(self):
                return True
        except OSError:
            return False


def artifacts_of(run: Run, embeddings_limit: int) -> list[Artifact]:
    """Return the files to copy of a run: everything published, or what explains its absence.

    An embedding of more than ``embeddings_limit`` bytes stays where it is.
    """
    if not run.complete:
        attempt, output = AttemptFolder(run.folder), run.files
        found = [attempt.record, output.log, attempt.container_log, output.metrics]
        return [Artifact(path, FILE_LIMIT) for path in found if os.path.lexists(path)]
    folder = RunFolder(run.folder)
    names = [folder.record.name, *run.record.checksums]
    return [
        Artifact(
            folder.folder / name,
            embeddings_limit if name == folder.embeddings.name else FILE_LIMIT,
            run.record.checksums.get(name),
        )
        for name in dict.fromkeys(names)
        if Path(name).name == name and name != folder.container_log.name
    ]


@contextmanager
def staged(artifact: Artifact) -> Iterator[Path]:
    """Make a private copy, checked on the way: nobody can exchange it while it is sent.

    Raises FileNotFoundError, :class:`NotARegularFile`, :class:`FileTooLarge` or
    :class:`NotAsPublished`.
    """
    check_regular(artifact.path, max_bytes=artifact.limit)
    with tempfile.TemporaryDirectory(prefix="multiverse-track-") as folder:
        copy = Path(folder, artifact.name)
        digest = _copy(artifact.path, copy, artifact.limit)
        if artifact.checksum not in (None, SHA256 + digest):
            raise NotAsPublished(f"{artifact.name} is not what was published")
        yield copy


def _copy(source: Path, target: Path, limit: int) -> str:
    """Copy at most ``limit`` bytes; the SHA-256 of them in hexadecimal digits."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source, flags), "rb") as stream, target.open("wb") as copy:
        return stream_sha256(_Beginning(stream, limit), copy.write)


@dataclass
class _Beginning:
    """At most ``left`` more bytes of a stream: what is being written to may grow for ever."""

    stream: BinaryIO
    left: int

    def read(self, size: int, /) -> bytes:
        content = self.stream.read(min(size, self.left))
        self.left -= len(content)
        return content
