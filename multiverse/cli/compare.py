"""``multiverse compare``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from multiverse.api import compare
from multiverse.cli.terminal import console, plain_table, print_json, print_table, safe, say
from multiverse.compare import Difference, DifferenceVerdict, Pair, ScoreChange
from multiverse.runs import AGGREGATES
from multiverse.specs import format_bytes, format_seconds

STYLES = {
    DifferenceVerdict.BETTER: "green",
    DifferenceVerdict.WORSE: "bold red",
    DifferenceVerdict.BETTER_OF_ONE: "yellow",
    DifferenceVerdict.WORSE_OF_ONE: "yellow",
    DifferenceVerdict.NOT_COMPARABLE: "yellow",
    DifferenceVerdict.NOT_KNOWN: "yellow",
}
#: Beyond the aggregates, what is shown without --all: what did change.
_CHANGED = (
    DifferenceVerdict.BETTER, DifferenceVerdict.WORSE,
    DifferenceVerdict.BETTER_OF_ONE, DifferenceVerdict.WORSE_OF_ONE,
    DifferenceVerdict.NOT_KNOWN, DifferenceVerdict.NOT_COMPARABLE,
)  # fmt: skip


@dataclass(frozen=True)
class CompareArguments:
    """Two results folders, and how much of their difference is shown."""

    before: Path
    after: Path
    all: bool
    json: bool


def read(given: Namespace) -> CompareArguments:
    """Return the arguments."""
    return CompareArguments(given.before, given.after, given.all, given.json)


def main(arguments: CompareArguments) -> int:
    """Say what changed between two results folders."""
    difference = compare(arguments.before, arguments.after)
    if arguments.json:
        print_json(_plain(difference))
    else:
        _print(difference, everything=arguments.all)
    return 0


def _plain(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON has it, with what follows from the numbers."""
    content = asdict(difference)
    for pair, source in zip(content["pairs"], difference.pairs, strict=True):
        for score, change in zip(pair["scores"], source.scores, strict=True):
            score["difference"] = change.difference
    return content


def _print(difference: Difference, *, everything: bool) -> None:
    out = console()
    out.print(safe("A ", "bold") + safe(difference.before))
    out.print(safe("B ", "bold") + safe(difference.after))
    for warning in difference.warnings:
        out.print(safe("note: ", "bold yellow") + safe(warning))
    for letter, names in (("A", difference.only_before), ("B", difference.only_after)):
        for name in names:
            out.print(safe(f"only in {letter}: ", "bold") + safe(name))
    by_dataset = groupby(difference.pairs, key=lambda pair: (pair.dataset, pair.fingerprint))
    for (dataset, fingerprint), pairs in by_dataset:
        out.print()
        out.print(safe(dataset, "bold") + safe(f"  {fingerprint[:16]}", "dim"))
        for pair in pairs:
            _print_pair(pair, everything=everything)
    if not difference.pairs:
        say("no configuration is in both folders")


def _print_pair(pair: Pair, *, everything: bool) -> None:
    out = console()
    out.print()
    out.print(safe(pair.label, "bold") + safe(f"  {_summary(pair)}"))
    for fact in pair.identity:
        out.print(safe(f"  {fact.what}: {fact.before} → {fact.after}", "dim"))
    shown = [change for change in pair.scores if everything or _worth_showing(change)]
    if not shown:
        where = " and in ".join(pair.unscored)
        out.print(safe(f"  not scored in {where}: multiverse evaluate", "dim"))
        return
    numbers = ("A", "B", "B − A", "needed")
    table = plain_table("", *numbers, "verdict", right=numbers, folded=("verdict",))
    for change in shown:
        table.add_row(
            safe(f"  {change.title}", "bold" if change.name in AGGREGATES else ""),
            safe(_number(change.before)),
            safe(_number(change.after)),
            safe(_signed(change.difference)),
            safe("" if change.threshold is None else f"±{change.threshold:.3f}", "dim"),
            safe(change.verdict.value, STYLES.get(change.verdict, "dim")),
        )
    print_table(table)
    hidden = len(pair.scores) - len(shown)
    if hidden:
        out.print(safe(f"  {hidden} more without a difference that matters (--all)", "dim"))


def _worth_showing(change: ScoreChange) -> bool:
    missing = change.verdict is DifferenceVerdict.NO_VALUE and change.before != change.after
    return change.name in AGGREGATES or change.verdict in _CHANGED or missing


def _summary(pair: Pair) -> str:
    """Return ``rank 2 → 1, time 12.5s → 13.0s, memory 300.0 MiB → 310.0 MiB``."""
    facts = [("rank", *(str(rank or "none") for rank in pair.rank))]
    facts.append(("time", *map(_time, pair.seconds)))
    facts.append(("memory", *map(_memory, pair.peak_bytes)))
    return ", ".join(
        f"{name} {old}" if old == new else f"{name} {old} → {new}" for name, old, new in facts
    )


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else format_seconds(seconds)


def _memory(amount: float | None) -> str:
    return "unknown" if amount is None else format_bytes(amount)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:z.3f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"
