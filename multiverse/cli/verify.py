"""``multiverse verify``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from multiverse.api import verify
from multiverse.cli.terminal import console, print_json, safe, say
from multiverse.errors import ResultsError
from multiverse.events import BytesVerified, Event, Tell
from multiverse.specs import format_bytes, format_seconds
from multiverse.verify import Verification


@dataclass(frozen=True)
class VerifyArguments:
    """The results folder, and how differences are printed."""

    results: Path
    json: bool


def read(given: Namespace) -> VerifyArguments:
    """Return the arguments."""
    return VerifyArguments(given.results, given.json)


def main(arguments: VerifyArguments) -> int:
    """Recompute the checksums of published runs; 5 where something differs."""
    with _shown(quiet=arguments.json) as tell:
        verification = verify(arguments.results, tell=tell)
    if arguments.json:
        print_json({"results": str(arguments.results), **asdict(verification)})
    else:
        _print(verification, arguments.results)
    return ResultsError.exit_code if verification.differences else 0


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Tell]:
    """Show a bar on a terminal; nothing elsewhere."""
    out = console(stderr=True)
    hidden = quiet or not out.is_terminal
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=out, disable=hidden, transient=True) as bar:
        task = bar.add_task("verifying", total=None)

        def tell(event: Event) -> None:
            if isinstance(event, BytesVerified):
                bar.update(task, total=event.total, completed=event.done)

        yield tell


def _print(verification: Verification, results: Path) -> None:
    looked = (
        f"{_count(verification.runs, 'run')}, {_count(verification.files, 'file')}, "
        f"{format_bytes(verification.bytes)} in {format_seconds(verification.seconds)}"
    )
    if not verification.differences:
        say(f"{results}: all is as it was published ({looked})")
        return
    out = console()
    for difference in verification.differences:
        kind = safe(f"{difference.kind}: ", "bold red")
        out.print(kind + safe(f"{difference.place}: {difference.message}"))
    say(f"{results}: {_count(len(verification.differences), 'difference')} ({looked})")
    say(
        "  next: Copy the runs anew from where they came from, or move those folders away: "
        "the next `multiverse run` makes them again."
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
