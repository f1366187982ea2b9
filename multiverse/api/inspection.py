"""Looking at a dataset before anything is registered or run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.api.datasets import files_of
from multiverse.api.reading import registration_options
from multiverse.api.request import Folders, folders
from multiverse.errors import DatasetError, UsageError
from multiverse.events import Noted, Tell, silent
from multiverse.inspection.commands import Target
from multiverse.registry.datasets import RegisteredDataset, find_dataset
from multiverse.registry.files import Files, check_files
from multiverse.registry.home import cache
from multiverse.registry.models import list_models
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.names import is_slug
from multiverse.specs.quantity import format_bytes

if TYPE_CHECKING:
    from multiverse.api.datasets import Data
    from multiverse.inspection.facts import Inspection
    from multiverse.inspection.keys import KeyAdvice
    from multiverse.inspection.outlook import Foresight


def inspect(
    data: Data,
    *,
    options: RegistrationOptions | None = None,
    models_dirs: Folders = (),
    tell: Tell = silent,
    **settings: Any,
) -> Inspection:
    """Look at a dataset: its modalities, counts and columns, the models for it, and their costs.

    Nothing is registered, run or kept. In a notebook the result shows itself as tables.

    Parameters
    ----------
    data
        A file, modality → file, an object in memory, or the slug of a registered dataset.
    options, settings
        How a file or an object is read, as for :func:`multiverse.register`.
    models_dirs
        Folders of models beside the built-in ones.
    tell
        Receives notes while a large file is read.

    Raises
    ------
    UsageError, DatasetError
        Where it can't be read at all, or lacks a column, a layer or a modality that is asked for.

    Examples
    --------
    >>> import multiverse
    >>> found = multiverse.inspect("data.h5mu")  # doctest: +SKIP
    >>> found.labels, found.batches, found.command  # doctest: +SKIP
    """
    chosen = registration_options(options, settings)
    chosen.check()
    extra = folders(models_dirs)
    files = files_of(data)
    if files is not None:  # before anything large is imported
        size = _size(files)
        name = " ".join(Target.of_files(files).values)
        tell(Noted(f"reading {name}" + (f" ({format_bytes(size)})" if size else "")))
    foresight = _foresight(extra)
    with tempfile.TemporaryDirectory(prefix="multiverse-inspect-") as folder:
        scratch = Path(folder)
        if isinstance(data, str | Path) and _is_registered(data):
            return _registered(str(data), chosen, foresight, extra, scratch, tell)
        if files is not None:
            check_files(files)
            target = Target.of_files(files, extra)
            return _files(files, target, name, chosen, foresight, scratch, tell)
        if isinstance(data, Mapping):
            raise UsageError(
                "objects in memory are looked at one by one",
                remedy="multiverse.inspect(adata) for each of them, or name files.",
            )
        from multiverse.registry.objects import write_object

        several = hasattr(data, "mod")
        path = scratch / ("mdata.h5mu" if several else "adata.h5ad")
        write_object(data, path)
        kind, name = ("MuData", "mdata") if several else ("AnnData", "adata")
        target = Target.of_object(name)
        return _files(path, target, f"the {kind} in memory", chosen, foresight, scratch, tell)


def advise_keys(
    dataset: RegisteredDataset, files: Files, options: RegistrationOptions
) -> KeyAdvice:
    """Return what is to be said of a dataset that has no batch or no label column.

    ``files`` and ``options`` are what it was registered from. No lines where both were named.
    """
    from multiverse.inspection import findings

    with tempfile.TemporaryDirectory(prefix="multiverse-inspect-") as folder:
        return findings.advise_keys(dataset, files, options, Path(folder))


def _foresight(models_dirs: Sequence[Path]) -> Foresight:
    from multiverse.api.plan import HISTORY
    from multiverse.engines.local import LocalEngine
    from multiverse.forecast.forecast import Expectations
    from multiverse.forecast.history import History
    from multiverse.inspection.outlook import Foresight
    from multiverse.runner.capacity import Machine, usable

    past = History(cache() / HISTORY).read()
    return Foresight(
        models=list_models(models_dirs),
        expectations=Expectations(past),
        capacity=usable(LocalEngine().capacity(), Machine()),
    )


def _is_registered(data: str | Path) -> bool:
    """Return whether a slug is meant: a file of that name comes first, as it is a path."""
    return is_slug(str(data)) and not Path(data).exists() and not Path(data).suffix


def _registered(
    slug: str,
    options: RegistrationOptions,
    foresight: Foresight,
    models_dirs: Sequence[Path],
    scratch: Path,
    tell: Tell,
) -> Inspection:
    if options != RegistrationOptions():
        raise UsageError(
            f"{slug} is registered already: how it is read is said when a file is registered",
            remedy=f"multiverse inspect {slug}",
        )
    from multiverse.inspection.conclude import conclude
    from multiverse.inspection.findings import find_in_registered

    dataset = find_dataset(slug)
    findings = find_in_registered(dataset, scratch, tell)
    target = Target.of_slug(slug, models_dirs)
    return conclude(findings, target, foresight, slug, dataset.data.stat().st_size)


def _files(
    files: Files,
    target: Target,
    name: str,
    options: RegistrationOptions,
    foresight: Foresight,
    scratch: Path,
    tell: Tell,
) -> Inspection:
    from multiverse.inspection.conclude import conclude
    from multiverse.inspection.findings import find_in_files

    size = _size(files)
    try:
        findings = find_in_files(files, options, scratch, tell)
    except OSError as error:
        raise DatasetError(f"{name}: {error.strerror or error}") from error
    return conclude(findings, target, foresight, name, size if target.option else None)


def _size(files: Files) -> int | None:
    """Return the bytes of all files; None where one is a folder or is not there."""
    paths = [files] if isinstance(files, Path) else [*files.values()]
    return sum(path.stat().st_size for path in paths) if all(map(Path.is_file, paths)) else None
