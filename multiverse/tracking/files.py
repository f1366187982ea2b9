"""The files of a run that are copied, and how they are read without trusting what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.files import read_regular
from multiverse.contract.folders import exists
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

    def read(self) -> bytes:
        """Read the file, checked for what it is.

        Raises FileNotFoundError, :class:`NotARegularFile`, :class:`FileTooLarge` or
        :class:`NotAsPublished`.
        """
        content = read_regular(self.path, max_bytes=self.limit)
        if self.checksum not in (None, SHA256 + hashlib.sha256(content).hexdigest()):
            raise NotAsPublished(f"{self.path.name} is not what was published")
        return content


def artifacts_of(run: Run, embeddings_limit: int) -> list[Artifact]:
    """Return everything published of a run, or what explains why nothing was.

    An embedding of more than ``embeddings_limit`` bytes stays where it is.
    """
    if not run.complete:
        attempt, output = AttemptFolder(run.folder), run.files
        found = [attempt.record, output.log, attempt.container_log, output.metrics]
        return [Artifact(path, FILE_LIMIT) for path in found if exists(path)]
    folder, checksums = RunFolder(run.folder), run.record.checksums
    return [
        Artifact(
            folder.folder / name,
            embeddings_limit if name == folder.embeddings.name else FILE_LIMIT,
            checksums.get(name),
        )
        for name in dict.fromkeys([folder.record.name, *checksums])
        if Path(name).name == name and name != folder.container_log.name
    ]


def is_sound(artifact: Artifact) -> bool:
    """Return True if the file can be copied."""
    try:
        artifact.read()
    except OSError:
        return False
    return True


def stage(artifacts: Sequence[Artifact], folder: Path) -> dict[str, str]:
    """Write private copies, which nobody can exchange while they are sent.

    Returns the names of those that can't be copied, and why.
    """
    left_out = {}
    for artifact in artifacts:
        try:
            (folder / artifact.path.name).write_bytes(artifact.read())
        except OSError as error:
            left_out[artifact.path.name] = str(error.strerror or error)
    return left_out
