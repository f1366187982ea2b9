"""Checks of the surroundings: no labels, no network, a read-only root, any user, a request to end.

A restriction that the usual run bears is passed. Where the usual run fails, each restriction is
lifted alone, so that the author sees which of them it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from multiverse.conformance.context import Answer, CheckContext, failed, note, passed, skipped
from multiverse.conformance.sandbox_change import STRANGER, SandboxChange
from multiverse.conformance.tiny_data import add_labels
from multiverse.facts import RunState
from multiverse.runner.supervise import GRACE_SECONDS

KILLED = 137
#: When in its life a run is asked to end, in turn: a share of the least time that one has taken.
#: At last as soon as it has started, because no run takes as long as the one before.
MOMENTS = (0.5, 0.25, 0.1, 0.0)


def labels(context: CheckContext) -> Answer:
    """Check that the model works without cell types."""
    expected = "an embedding without labels: the benchmark holds them out"
    if context.model.yaml.uses_labels:
        return skipped(expected, "model.yaml says uses_labels: true")
    if context.usual.complete:
        return passed(expected, "the data held none")
    dataset = context.data.usual(context.usable)
    file = add_labels(dataset, Path(context.trials.folder, "labelled.h5mu"))
    outcome = context.run("with-labels", data=file)
    if outcome.complete:
        to_do = "Don't read cell types; they are never given to a model."
        return failed(expected, "completes only when it is given labels", to_do, context.usual)
    return skipped(expected, "it fails with labels, too: see the first check")


def network(context: CheckContext) -> Answer:
    """Check that the model works without a network."""
    to_do = "Put everything that is downloaded into the image when it is built."
    return _lifted(context, "network", SandboxChange(network=True), to_do)


def read_only_root(context: CheckContext) -> Answer:
    """Check that the model works on a read-only root, and writes to /output and /tmp only."""
    to_do = "Write to /tmp (1 GiB), caches too: set HOME, MPLCONFIGDIR and NUMBA_CACHE_DIR there."
    return _lifted(context, "writable root", SandboxChange(writable_root=True), to_do)


def _lifted(context: CheckContext, what: str, sandbox: SandboxChange, to_do: str) -> Answer:
    expected = f"an embedding without a {what}"
    if not context.in_container:
        return skipped(expected, "only a container shows it: check with --engine docker")
    if context.usual.complete:
        return passed(expected, f"the run had no {what}")
    outcome = context.run_under(f"with-{what.replace(' ', '-')}", sandbox)
    if outcome.complete:
        return failed(expected, f"completes only with a {what}", to_do, context.usual)
    return skipped(expected, f"it fails with a {what}, too: see the first check")


def volumes(context: CheckContext) -> Answer:
    """Check that the image declares no volume, whose content its model would not find."""
    expected = "an image without VOLUME"
    if not context.in_container:
        return skipped(expected, "only an image has them: check with --engine docker")
    declared = context.trials.volumes
    if not declared:
        return passed(expected, "it declares none")
    to_do = (
        "Remove VOLUME from the Dockerfile: in a job it is an empty folder in memory, and what the "
        "image keeps there is hidden."
    )
    words = ", ".join(f"{volume!r:.100}" for volume in declared)
    return note(expected, f"it declares {words}", to_do, context.usual)


def any_user(context: CheckContext) -> Answer:
    """Check that the model runs as a user that its image does not know."""
    expected = "an embedding when run as a user that the image does not know"
    if not context.in_container:
        return skipped(expected, "only a container shows it: check with --engine docker")
    if os.geteuid() != 0:
        return passed(expected, f"every run was by user {os.geteuid()}")
    outcome = context.run_under("any-user", SandboxChange(user=STRANGER))
    if outcome.complete:
        return passed(expected, f"ran as user {STRANGER}", outcome)
    to_do = (
        "Don't ask who you are: files that the model reads must be readable for all, and nothing "
        "but /tmp and /output may be written."
    )
    return failed(expected, outcome.describe(), to_do, outcome)


def no_home(context: CheckContext) -> Answer:
    """Check that the model runs without a home folder."""
    expected = "an embedding although HOME names no folder"
    outcome = context.run_under("no-home", SandboxChange(no_home=True))
    if outcome.complete:
        return passed(expected, outcome.describe(), outcome)
    to_do = "Don't read or write below HOME; use /tmp (in Python: tempfile)."
    return failed(expected, outcome.describe(), to_do, outcome)


def request_to_end(context: CheckContext) -> Answer:
    """Check that SIGTERM ends the model in time."""
    expected = f"an end within {GRACE_SECONDS:.0f} s of SIGTERM"
    least = context.usual.record.usage.wall_seconds
    for number, share in enumerate(MOMENTS):
        outcome = context.run(f"sigterm-{number + 1}", stop_after=share * least)
        if outcome.record.state is not RunState.CANCELLED:
            least = min(least, outcome.record.usage.wall_seconds)
            continue
        seconds = outcome.ended_within or 0.0
        if outcome.record.exit_code == KILLED:
            to_do = (
                "Let SIGTERM end the process: don't ignore it, and don't start the model behind a "
                "shell that keeps it."
            )
            return failed(expected, f"had to be killed after {seconds:.1f} s", to_do, outcome)
        return passed(expected, f"ended after {seconds:.1f} s", outcome)
    return skipped(expected, "it was always done before it could be asked")
