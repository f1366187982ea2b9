"""Prints the jobs of ``multiverse run --dry-run``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from multiverse.cli.terminal import console, print_json, safe
from multiverse.runner import NEW, Preview, Prospect
from multiverse.specs import format_seconds

STYLES = {
    Prospect.COMPLETE: "green",
    Prospect.NOT_APPLICABLE: "yellow",
    Prospect.TO_RUN: "bold",
    Prospect.LEFT_OUT: "dim",
}


def print_preview(jobs: Sequence[Preview], as_json: bool) -> int:
    """Print a line a job, then the sum; for machines one JSON array."""
    if as_json:
        print_json([asdict(job) for job in jobs])
        return 0
    out = console()
    for job in jobs:
        line = safe(f"{job.name}: ")
        line.append_text(safe(job.prospect, STYLES[job.prospect]))
        line.append_text(safe(_why(job)))
        if job.expected_seconds is not None and job.prospect is Prospect.TO_RUN:
            line.append_text(safe(f" (about {format_seconds(job.expected_seconds)})", "dim"))
        out.print(line)
    for warning in dict.fromkeys(job.warning for job in jobs if job.warning):
        out.print(safe(f"warning: {warning}", "yellow"))
    counts = Counter(job.prospect for job in jobs)
    words = ", ".join(f"{counts[prospect]} {prospect}" for prospect in Prospect if counts[prospect])
    out.print(safe(f"{len(jobs)} jobs: {words}; nothing was started", "bold"))
    return 0


def _why(job: Preview) -> str:
    if job.prospect is not Prospect.TO_RUN:
        return f" — {job.why}" if job.why else ""
    return ", new" if job.why == NEW else f" because «{job.why}»"
