"""``multiverse show``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multiverse.api import RunScore, find_run, run_scores
from multiverse.cli.progress import STYLES
from multiverse.cli.terminal import console, plain_table, print_json, print_table, safe
from multiverse.engines import last_lines
from multiverse.runs import Run, warnings_of
from multiverse.specs import format_bytes, format_seconds


@dataclass(frozen=True)
class ShowArguments:
    """``run``: its folder, or the first digits of its id in ``results``."""

    run: str
    results: Path
    json: bool


def read(given: Namespace) -> ShowArguments:
    """Return the arguments."""
    return ShowArguments(given.run, given.results, given.json)


def main(arguments: ShowArguments) -> int:
    """Explain one run."""
    run = find_run(arguments.run, arguments.results)
    if arguments.json:
        earlier = [_plain(item) for item in run.other_attempts()]
        scores = [asdict(score) for score in run_scores(run)]
        print_json({**_plain(run), "scores": scores, "attempts": earlier})
    else:
        _explain(run)
    return 0


def _plain(run: Run) -> dict[str, Any]:
    return {**run.record.model_dump(mode="json"), "folder": str(run.folder)}


def _explain(run: Run) -> None:
    record, out = run.record, console()
    out.print(safe(f"{record.dataset}/{record.model} {record.model_version}", "bold"))
    table = plain_table("", "value", folded=("value",))
    table.show_header = False
    for name, value in _facts(run):
        style = STYLES[record.state] if name == "status" else ""
        table.add_row(safe(name, "dim"), safe(value, style))
    print_table(table)
    found = warnings_of([record])
    for word in found.words:
        out.print(safe(f"{found.mark} {word}", "yellow"))
    _list_scores(run_scores(run))
    _list_attempts(run.other_attempts())
    if not run.complete:
        out.print(safe("last lines of its log:", "dim"))
        for line in last_lines(run.container_log, 10):
            out.print(safe(f"  {line}"))


def _list_scores(scores: list[RunScore]) -> None:
    """Print each score with its interval, or why there is none."""
    if not scores:
        return
    console().print(safe("scores:", "dim"))
    table = plain_table("score", "value", "95 %", "not available", right=("value",),
                        folded=("not available",))  # fmt: skip
    for score in scores:
        bold = "bold" if score.group == "aggregate" else ""
        table.add_row(
            safe(score.title, bold),
            safe("—" if score.value is None else f"{score.value:z.3f}", bold),
            safe("" if score.low is None else f"{score.low:z.3f}–{score.high:z.3f}"),
            safe(score.reason),
        )
    print_table(table)


def _list_attempts(attempts: list[Run]) -> None:
    """Print the other attempts that were kept: how each ended, and with how much memory."""
    if not attempts:
        return
    console().print(safe("other attempts:", "dim"))
    table = plain_table("attempt", "ended", "time", "memory", "folder", folded=("ended", "folder"))
    for item in attempts:
        record, peak = item.record, item.record.usage.peak_memory_bytes
        limit = record.limits.get("memory")
        used = "?" if peak is None else format_bytes(peak)
        table.add_row(
            safe(record.attempt),
            safe((record.cause or record.state).replace("_", " "), STYLES[record.state]),
            safe(format_seconds(record.usage.wall_seconds)),
            safe(f"{used} of {format_bytes(limit)}" if limit else used),
            safe(item.folder),
        )
    print_table(table)


def _facts(run: Run) -> list[tuple[str, str]]:
    record = run.record
    status = record.state.replace("_", " ") + (f": {record.message}" if record.message else "")
    usage = record.usage
    memory = "unknown" if usage.peak_memory_bytes is None else format_bytes(usage.peak_memory_bytes)
    cpu = "unknown" if usage.cpu_seconds is None else format_seconds(usage.cpu_seconds)
    software = (
        f"{record.image.tag} ({record.image.digest})"
        if record.image
        else f"environment {record.environment_lock}"
    )
    facts = [
        ("status", status),
        ("run", f"{record.run_id}, attempt {record.attempt}"),
        ("dataset", f"{record.dataset_fingerprint}, {record.n_obs:,} cells"),
        ("modalities", ", ".join(record.modalities)),
        ("embedding", f"{record.n_obs:,} × {record.n_dims}" if record.n_dims else "none"),
        ("parameters", _settings(record.parameters)),
        ("preprocessing", _settings(record.preprocessing)),
        ("seed", f"{record.seed} on {record.device}, {record.threads} thread(s)"),
        ("used", f"{format_seconds(usage.wall_seconds)}, CPU {cpu}, peak memory {memory}"),
        ("software", software),
        ("engine", f"{record.engine.name} {record.engine.version} — {record.engine.isolation}"),
        ("started", f"{record.started_at}, ended {record.finished_at}"),
        ("host", f"{record.host.get('platform')}, {record.host.get('processor')}"),
        ("folder", str(run.folder)),
        ("files", ", ".join(run.names)),
    ]
    if record.ignored_files:
        facts.append(("not kept", ", ".join(record.ignored_files)))
    return facts


def _settings(settings: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "none"
