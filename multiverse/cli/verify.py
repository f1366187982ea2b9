"""``multiverse verify``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from multiverse.cli.terminal import console, print_json, safe, say
from multiverse.errors import ResultsError
from multiverse.runs.folder import ResultsFolder
from multiverse.specs.quantity import format_bytes, format_seconds
from multiverse.verify.verify import Progress, Verification, verify_results


def main(arguments: Namespace) -> int:
    results = ResultsFolder(arguments.results)
    with _shown(quiet=arguments.json) as progress:
        verification = verify_results(results, progress)
    if arguments.json:
        print_json({"results": str(results.folder), **asdict(verification)})
    else:
        _print(verification, results)
    return ResultsError.exit_code if verification.differences else 0


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Progress]:
    """A bar on a terminal; nothing elsewhere."""
    out = console(stderr=True)
    hidden = quiet or not out.is_terminal
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=out, disable=hidden, transient=True) as bar:
        task = bar.add_task("verifying", total=None)

        def advance(total: int, more: int) -> None:
            bar.update(task, total=total, advance=more)

        yield advance


def _print(verification: Verification, results: ResultsFolder) -> None:
    looked = (
        f"{_count(verification.runs, 'run')}, {_count(verification.files, 'file')}, "
        f"{format_bytes(verification.bytes)} in {format_seconds(verification.seconds)}"
    )
    if not verification.differences:
        say(f"{results.folder}: all is as it was published ({looked})")
        return
    out = console()
    for difference in verification.differences:
        kind = safe(f"{difference.kind}: ", "bold red")
        out.print(kind + safe(f"{difference.place}: {difference.message}"))
    say(f"{results.folder}: {_count(len(verification.differences), 'difference')} ({looked})")
    say(
        "  next: Copy the runs anew from where they came from, or move those folders away: "
        "the next `multiverse run` makes them again."
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
