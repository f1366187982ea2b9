"""Finds what can go from a results folder and from this machine; removes it only when told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from multiverse.cleanup.kept_attempts import KeptAttempts
from multiverse.cleanup.leftovers import leftovers
from multiverse.cleanup.published import full_run_ids, published
from multiverse.cleanup.references import References, references
from multiverse.cleanup.removable import CleanupGroup, Entry, Item, Kept, NotRemoved
from multiverse.cleanup.stale_images import layer_bytes, stale_images
from multiverse.cleanup.unused_datasets import unused_datasets
from multiverse.cleanup.unused_environments import unused_environments
from multiverse.contract.folders import is_file, is_folder
from multiverse.errors import EngineError, MultiverseError, ResultsError, UsageError
from multiverse.events import Noted, Tell
from multiverse.registry.home import cache, home
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import folder_lock
from multiverse.runs.results import Results
from multiverse.runs.table import write_table
from multiverse.specs.model import ModelSpec

#: What is looked for unless something is chosen; published runs never are.
USUAL = frozenset(CleanupGroup) - {CleanupGroup.PUBLISHED}
#: Groups that can't be judged without a results folder.
_OF_RESULTS = frozenset(
    {CleanupGroup.ATTEMPTS, CleanupGroup.LEFTOVERS, CleanupGroup.PUBLISHED, CleanupGroup.DATASETS}
)


@dataclass(frozen=True)
class CleanupRequest:
    """A choice of what to clean. ``runs``: the first digits of ids, of which only the attempts go.

    ``published`` adds the published runs of these ids; ``all_attempts`` the attempts whose
    records spare a re-run.
    """

    groups: frozenset[CleanupGroup] = USUAL
    runs: tuple[str, ...] = ()
    published: bool = False
    all_attempts: bool = False

    def check(self) -> None:
        """Raise :class:`UsageError` where published runs are meant and not named."""
        if self.published and not self.runs:
            raise UsageError(
                "--published removes only runs that are named",
                remedy="Name them: --runs RUN_ID ... --published",
            )

    @property
    def sought(self) -> frozenset[CleanupGroup]:
        """The groups: with named runs, only what belongs to them."""
        if not self.runs:
            return self.groups
        return frozenset(
            {CleanupGroup.ATTEMPTS, *([CleanupGroup.PUBLISHED] if self.published else [])}
        )


@dataclass(frozen=True)
class CleanupPlan:
    """The items that can go, and those that stay although one may expect them to go."""

    items: tuple[Item, ...]
    kept: tuple[Kept, ...]

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


@dataclass
class CleanupOutcome:
    """The result of a clean-up: bytes freed, items removed, items that stayed after all."""

    freed: int = 0
    removed: list[Item] = field(default_factory=list)
    failed: list[tuple[Item, str]] = field(default_factory=list)


def find(folder: Path, wanted: CleanupRequest, models: Sequence[ModelSpec]) -> CleanupPlan:
    """Look for what can go; nothing is removed.

    ``models`` are those known here: their versions and locks say what is still used. Raises
    :class:`ResultsError` where ``folder`` is needed and is none, :class:`UsageError` for ids that
    name no run, or several.
    """
    wanted.check()
    results = ResultsFolder.at(folder)
    if wanted.sought & _OF_RESULTS:
        results.check()
    entries = list(_entries(results, wanted, models))
    return CleanupPlan(
        tuple(entry for entry in entries if isinstance(entry, Item)),
        tuple(entry for entry in entries if isinstance(entry, Kept)),
    )


def _entries(
    results: ResultsFolder, wanted: CleanupRequest, models: Sequence[ModelSpec]
) -> Iterator[Entry]:
    runs = full_run_ids(results, wanted.runs)
    groups = wanted.sought
    seen = References.none()
    if groups & {CleanupGroup.IMAGES, CleanupGroup.DATASETS} and is_folder(results.folder):
        seen = references(results)
    if CleanupGroup.ATTEMPTS in groups:
        yield from KeptAttempts(results, runs, wanted.all_attempts).find()
    if CleanupGroup.LEFTOVERS in groups:
        yield from leftovers(results)
    if CleanupGroup.PUBLISHED in groups:
        yield from published(results, runs)
    if CleanupGroup.IMAGES in groups:
        yield from stale_images(models, seen)
    if CleanupGroup.ENVIRONMENTS in groups:
        yield from unused_environments(models, cache())
    if CleanupGroup.DATASETS in groups:
        yield from unused_datasets(home(), seen)


def remove(folder: Path, found: CleanupPlan, tell: Tell) -> CleanupOutcome:
    """Remove all that was found, one after the other; what can't go does not stop the rest.

    ``tell`` hears a note of each that is gone.
    """
    outcome = CleanupOutcome()
    before = _layers(found.items)
    for item in found.items:
        try:
            item.remove()
        except FileNotFoundError:  # somebody else was faster
            continue
        except (NotRemoved, OSError, MultiverseError) as error:
            outcome.failed.append((item, _reason(error)))
            continue
        outcome.removed.append(item)
        outcome.freed += 0 if item.group is CleanupGroup.IMAGES else item.size
        tell(Noted(f"removed {item.name}"))
    after = _layers(outcome.removed)
    if before is not None and after is not None:
        outcome.freed += max(0, before - after)
    if any(
        item.group in (CleanupGroup.ATTEMPTS, CleanupGroup.PUBLISHED) for item in outcome.removed
    ):
        _rewrite_table(ResultsFolder.at(folder))
    return outcome


def _layers(items: Sequence[Item]) -> int | None:
    """Return the bytes of all images, where there are some and the daemon tells.

    Images share layers: what removing some of them gives back is the difference.
    """
    if not any(item.group is CleanupGroup.IMAGES for item in items):
        return None
    try:
        return layer_bytes()
    except EngineError:
        return None


def _rewrite_table(results: ResultsFolder) -> None:
    if is_file(results.runs_table):
        with suppress(ResultsError), folder_lock(results):  # `verify` names a damaged record
            write_table(Results.open(results))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}"
    return str(error)
