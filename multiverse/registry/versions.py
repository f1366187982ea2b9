"""Publishing a version of a dataset: complete or absent, its data never changed afterwards."""

from __future__ import annotations

import errno
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from multiverse.contract.files import sync, write_aside
from multiverse.contract.paths import RECORD_FILE
from multiverse.errors import DatasetError, DiskFull, ResultsError
from multiverse.events import Noted, Tell
from multiverse.exclusive import exclusive
from multiverse.registry.datasets import DatasetFolder, RegisteredDataset, version_id
from multiverse.specs.dataset import DatasetRecord

_TEMPORARY = ".new-"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class VersionStore:
    """The versions of one slug, while its lock is held."""

    def __init__(self, folder: DatasetFolder, *, replace: bool) -> None:
        self._folder = folder
        self._replace = replace

    def find(self, source_sha256: str, options_sha256: str) -> RegisteredDataset | None:
        """Return the version that the same source and options made before, if there is one."""
        for version in self._folder.versions():
            with suppress(DatasetError):  # a damaged version is made anew
                dataset = self._folder.read(version)
                record = dataset.record
                if (record.source_sha256, record.options_sha256) == (source_sha256, options_sha256):
                    return dataset
        return None

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Make a folder beside the versions; gone afterwards unless it was published."""
        existed = self._folder.path.exists()
        self._folder.path.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.path.glob(f"{_TEMPORARY}*"):  # of a killed registration
            shutil.rmtree(leftover, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._folder.path))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if not existed:
                with suppress(OSError):  # it holds a version now
                    self._folder.path.rmdir()

    def publish(self, record: DatasetRecord, temporary: Path) -> RegisteredDataset:
        """Make a finished temporary folder a version, and the slug stand for it.

        Equal content that is already there stays as it is; its record says from now on what it
        was registered from this time, and what is to be known of that.
        """
        version = version_id(record)
        self.check_free(version)
        final = self._folder.version(version)
        if self._is_whole(version):
            return self.use(self._recorded(self._folder.read(version), record))
        if final.exists():
            shutil.rmtree(final)
        (temporary / RECORD_FILE).write_text(
            record.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )
        # As the caller's umask has it for the file that was just made.
        readers = (temporary / RECORD_FILE).stat().st_mode & 0o444
        for file in temporary.iterdir():
            file.chmod(readers)
            sync(file)
        temporary.chmod(0o700 | readers | readers >> 2)
        temporary.rename(final)
        return self.use(self._folder.read(version))

    def _recorded(self, dataset: RegisteredDataset, record: DatasetRecord) -> RegisteredDataset:
        """Return a version with another record, which is written unless nothing of note differs.

        A version that is only shown here, by a link, keeps its own.
        """
        if _said(dataset.record) == _said(record):
            return dataset
        if not dataset.folder.is_symlink():
            mode = stat.S_IMODE(dataset.record_file.stat().st_mode)
            write_aside(dataset.record_file, record.model_dump_json(indent=2) + "\n")
            dataset.record_file.chmod(mode)
            sync(dataset.folder)
        return replace(dataset, record=record)

    def use(self, dataset: RegisteredDataset) -> RegisteredDataset:
        """Let the slug stand for a version, unless it stands for other content."""
        version = dataset.folder.name
        self.check_free(version)
        write_aside(self._folder.current, version + "\n")
        sync(self._folder.path)
        return dataset

    def check_free(self, version: str | None) -> None:
        """Raise :class:`DatasetError` where the slug is another version's, unless ``replace``."""
        try:
            current = self._folder.current_version()
            if current is not None:
                self._folder.read(current)
        except DatasetError:
            return  # what is damaged may be replaced
        if current not in (None, version) and not self._replace:
            raise DatasetError(
                f"{self._folder.slug!r} is registered with other content or other options "
                f"(version {current})",
                remedy="Choose another --slug, or --replace it: the old version is kept, and "
                "finished runs stay valid.",
            )

    def _is_whole(self, version: str) -> bool:
        try:
            self._folder.read(version)
        except DatasetError:
            return False
        return True


def _said(record: DatasetRecord) -> dict[str, Any]:
    return record.model_dump(exclude={"registered_at", "multiverse_version"})


@contextmanager
def locked(folder: DatasetFolder, *, replace: bool, tell: Tell) -> Iterator[VersionStore]:
    """Hold a slug's lock, so that two registrations of one slug come one after the other.

    Raises :class:`ResultsError` where the home can't be written, :class:`DiskFull` where it is
    full.
    """
    with storage_errors(folder.home):
        folder.lock.parent.mkdir(parents=True, exist_ok=True)
        words = f"waiting for another registration of {folder.slug!r}"
        with exclusive(folder.lock, waiting=lambda: tell(Noted(words))):
            yield VersionStore(folder, replace=replace)


@contextmanager
def storage_errors(home: Path) -> Iterator[None]:
    """Turn failures to write below ``home`` into errors for users."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL or "No space left" in str(error) or "quota" in str(error).lower():
            raise DiskFull(
                f"The disk of {home} has no room left",
                remedy="Free some room, or name another folder with MULTIVERSE_HOME.",
            ) from error
        raise ResultsError(
            f"{home} can't be written: {error.strerror or str(error).splitlines()[0]}",
            remedy="Name a folder of your own with MULTIVERSE_HOME.",
        ) from error
