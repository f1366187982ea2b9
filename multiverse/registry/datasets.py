"""Finding registered datasets. Reads JSON only: no anndata, pandas or numpy is imported.

Layout of a home::

    datasets/<slug>/current                   the version in use: 16 hexadecimal digits
    datasets/<slug>/<version>/data.h5mu       what models see
    datasets/<slug>/<version>/labels.h5ad     every other column of obs; only evaluation reads it
    datasets/<slug>/<version>/dataset.json    the record

A version is named after all of its content: the fingerprint, the labels, and how they are to be
read (:func:`version_id`). So equal counts with other labels are another version of the dataset,
with the same fingerprint, and models need not run again. The data and labels of a version never
change; its record says what they were registered from last.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from multiverse.contract.paths import DATA_FILE, LABELS_FILE, RECORD_FILE
from multiverse.errors import DatasetError, UsageError
from multiverse.registry.home import home as default_home
from multiverse.specs.dataset import RECORD_MAX_BYTES, DatasetRecord
from multiverse.specs.names import check_slug, is_slug
from multiverse.specs.yaml_file import suggestion

_VERSION = re.compile(r"[0-9a-f]{16}")
_REGISTER_AGAIN = "Register the file again: multiverse register FILE --slug {slug} --replace"


@dataclass(frozen=True)
class RegisteredDataset:
    """One version of a registered dataset, and the folder that holds it."""

    record: DatasetRecord
    folder: Path

    @property
    def data(self) -> Path:
        """The MuData file that models see."""
        return self.folder / DATA_FILE

    @property
    def labels(self) -> Path:
        """The file of held-out columns; absent where the source has none but the batch."""
        return self.folder / LABELS_FILE

    @property
    def record_file(self) -> Path:
        return self.folder / RECORD_FILE


@dataclass(frozen=True)
class DatasetFolder:
    """Names the files of one slug, all versions of it."""

    slug: str
    home: Path

    @property
    def path(self) -> Path:
        return self.home / "datasets" / self.slug

    @property
    def current(self) -> Path:
        return self.path / "current"

    @property
    def lock(self) -> Path:
        return self.home / "datasets" / f".{self.slug}.lock"

    def version(self, name: str) -> Path:
        return self.path / name

    def current_version(self) -> str | None:
        """Return the version in use; None where nothing is registered under the slug."""
        try:
            version = self.current.read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._damaged(f"{self.current} can't be read: {error.strerror}") from error
        if _VERSION.fullmatch(version) is None:
            raise self._damaged(f"{self.current} names no version: {version!r:.40}")
        return version

    def versions(self) -> list[str]:
        """Return all versions, in no particular order."""
        if not self.path.is_dir():
            return []
        return [entry.name for entry in self.path.iterdir() if _VERSION.fullmatch(entry.name)]

    def read(self, version: str) -> RegisteredDataset:
        """Return the record of one version; :class:`DatasetError` if damaged or not complete."""
        found = self.version(version) / RECORD_FILE
        try:
            with found.open("rb") as stream:
                text = stream.read(RECORD_MAX_BYTES)
            record = DatasetRecord.model_validate_json(text)
        except OSError as error:
            raise self._damaged(f"{found} can't be read: {error.strerror}") from error
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"])) or "file"
            raise self._damaged(f"{found} is damaged: {place}: {problem['msg']}") from error
        dataset = RegisteredDataset(record, found.parent)
        if not dataset.data.is_file():
            raise self._damaged(f"{dataset.data} is missing")
        return dataset

    def _damaged(self, message: str) -> DatasetError:
        return DatasetError(
            f"Dataset {self.slug!r} is damaged: {message}",
            remedy=_REGISTER_AGAIN.format(slug=self.slug),
        )


def version_id(record: DatasetRecord) -> str:
    """Return the name of a version: 16 hexadecimal digits of the hash of everything in it."""
    content = [
        record.fingerprint,
        record.labels_fingerprint,
        record.batch_key,
        record.label_key,
        sorted(record.unlabelled),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def list_datasets(
    home: Path | None = None, *, on_damaged: Callable[[DatasetError], None] | None = None
) -> tuple[RegisteredDataset, ...]:
    """Return every registered dataset (its version in use), sorted by slug.

    A damaged one does not hide the others: it is handed to ``on_damaged`` and left out.
    """
    found = []
    for slug in _slugs(home or default_home()):
        folder = DatasetFolder(slug, home or default_home())
        try:
            version = folder.current_version()
            if version is not None:
                found.append(folder.read(version))
        except DatasetError as error:
            if on_damaged is not None:
                on_damaged(error)
    return tuple(found)


def find_dataset(slug: str, home: Path | None = None) -> RegisteredDataset:
    """Return the version in use of one dataset.

    Raises :class:`UsageError` where ``slug`` can't name a dataset, :class:`DatasetError` where
    none has that name (with the nearest that exists) or it is damaged.
    """
    slug = checked_slug(slug)
    root = home or default_home()
    folder = DatasetFolder(slug, root)
    version = folder.current_version()
    if version is None:
        known = [name for name in _slugs(root) if DatasetFolder(name, root).current.is_file()]
        raise DatasetError(
            f"No dataset is registered as {slug!r}{suggestion(slug, known)}",
            remedy=f"See all: multiverse datasets. Add one: multiverse register FILE --slug {slug}",
        )
    return folder.read(version)


def checked_slug(slug: str) -> str:
    """Return the slug, or raise :class:`UsageError` that says what a slug is."""
    try:
        return check_slug(slug)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _slugs(root: Path) -> list[str]:
    try:
        names = [entry.name for entry in (root / "datasets").iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{root / 'datasets'} can't be read: {error.strerror}") from error
    return sorted(name for name in names if is_slug(name))
