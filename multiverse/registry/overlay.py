"""A home and a cache for one command, over those of the user, which stay as they are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from multiverse.contract.folders import resolved
from multiverse.errors import DatasetError, DiskFull, ResultsError, UsageError
from multiverse.registry.datasets import DatasetFolder
from multiverse.registry.home import cache, home, is_overlaid, overlaid

#: What the cache holds by the name of its content: linked one by one, so that others may be added.
_BY_CONTENT = ("sdk",)


@contextmanager
def overlay() -> Iterator[None]:
    """Have datasets registered, and what they need made, beside this user's folders.

    Within it :func:`~multiverse.registry.home.home` and :func:`~multiverse.registry.home.cache` are
    temporary folders that show all that the real ones hold: a slug stands for what it stands for,
    and a version that is there already is used. What is written there is gone afterwards. In
    another overlay it is that one.

    Raises :class:`DiskFull` or :class:`ResultsError` where there is no room for it, and what is
    raised within it with the names of the real folders.
    """
    if is_overlaid():
        yield
        return
    try:
        root = resolved(Path(tempfile.mkdtemp(prefix="multiverse-preview-")))
    except OSError as error:
        raise ResultsError(
            f"there is no folder for temporary files: {error}",
            remedy="Name one that you can write to: export TMPDIR=FOLDER",
        ) from error
    real = home()
    try:
        _show_datasets(real, root / "home")
        _show_cache(cache(), root / "cache")
        with overlaid(root / "home", root / "cache"):
            yield
    except (UsageError, DatasetError) as error:  # of what is in the real one
        error.args = (str(error).replace(str(root / "home"), str(real)),)
        raise
    except DiskFull as error:
        if str(root) not in str(error):
            raise
        raise DiskFull(
            f"{root.parent} has no room for a dataset that is to be registered for this preview",
            remedy="Name another folder for temporary files: export TMPDIR=FOLDER",
        ) from error
    finally:
        shutil.rmtree(root, ignore_errors=True)


def is_lasting(folder: Path) -> bool:
    """Return whether a dataset's folder was there before the overlay: it is a link then."""
    return folder.is_symlink() or not is_overlaid()


def _show_datasets(real: Path, shown: Path) -> None:
    """Link every version of every dataset, and which of them is in use.

    The links lie in folders of their own: whatever is made or replaced there is not the real one.
    """
    (shown / "datasets").mkdir(parents=True)
    for slug in _entries(real / "datasets"):
        if slug.is_dir() and not slug.name.startswith("."):
            _link_all(slug, shown / "datasets" / slug.name)
            _open_damaged(DatasetFolder(slug.name, shown))


def _open_damaged(shown: DatasetFolder) -> None:
    """Make folders of links for versions that are not whole, which a registration removes."""
    for version in shown.versions():
        try:
            shown.read(version)
        except DatasetError:
            link = shown.version(version)
            real = link.readlink()
            link.unlink()
            _link_all(real, link)


def _show_cache(real: Path, shown: Path) -> None:
    shown.mkdir(parents=True)
    for entry in _entries(real):
        if entry.name in _BY_CONTENT and entry.is_dir():
            _link_all(entry, shown / entry.name)
        else:
            (shown / entry.name).symlink_to(entry)


def _link_all(real: Path, shown: Path) -> None:
    shown.mkdir()
    for entry in _entries(real):
        if not entry.name.startswith("."):  # locks, and what is being made
            (shown / entry.name).symlink_to(entry)


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []
