"""Checks of what the usual run leaves behind: the contract, its repetition, its seed, its use."""

from __future__ import annotations

from multiverse.conformance.context import Answer, CheckContext, failed, note, passed, skipped
from multiverse.conformance.trial import TrialOutcome
from multiverse.facts import Cause
from multiverse.specs.quantity import format_bytes, format_seconds

#: More CPU time per second than that many times the share of threads is too much.
THREADS_TOLERANCE = 1.5
#: One like any other, the first beyond a signed 32-bit integer, and the last.
SEEDS = (1, 2**31, 2**32 - 1)
NOT_RECORDED = "no settings in metrics.json to record them"


def contract(context: CheckContext) -> Answer:
    """Check that every required file is there and as the contract has it."""
    expected = "embeddings.h5, metrics.json, umap.png and run.log as the contract has them"
    outcome = context.usual
    if outcome.complete:
        return passed(expected, outcome.describe(), outcome)
    if outcome.record.findings:
        to_do = "Mend each: " + "; ".join(outcome.record.findings)
    elif outcome.not_applicable:
        to_do = (
            f"These data have {', '.join(context.usable)} and 100 cells in two batches: the model "
            "must be able to embed them, or model.yaml must say what it needs."
        )
    elif outcome.record.cause is Cause.DEVICE_UNUSED:
        to_do = (
            "Compute on the device of the job, and write which GPU it was to metrics.json: the "
            "worker does so for models on PyTorch, others by job.record(gpu=…)."
        )
    else:
        to_do = "Read the log below; the model must end with exit code 0."
    return failed(expected, outcome.describe(), to_do, outcome)


def files(context: CheckContext) -> Answer:
    """Check that nothing but the contract's files is written to /output."""
    expected = "no file in /output but those of the contract"
    ignored = context.usual.record.ignored_files
    if not ignored:
        return passed(expected, "no other file")
    shown = ", ".join(ignored[:5])
    return note(expected, f"also wrote {shown}", "They are not kept: write them to /tmp.")


def determinism(context: CheckContext) -> Answer:
    """Check that the same job twice gives the same embedding, bit for bit."""
    expected = "the same embedding, bit for bit, when the same job runs again"
    outcome = context.run("usual-again")
    if not outcome.complete:
        to_do = "The first run succeeded, the second did not: look for what they share or race on."
        return failed(expected, outcome.describe(), to_do, outcome)
    if outcome.equals(context.usual):
        return passed(expected, "the same, bit for bit", outcome)
    to_do = (
        "Seed every random generator with the job's seed (a random_state argument too), sort what "
        "comes out of a set, and use as many threads as OMP_NUM_THREADS says."
    )
    return context.another(expected, to_do, outcome)


def seed(context: CheckContext) -> Answer:
    """Check that other seeds are accepted and recorded, also those beyond a signed integer."""
    expected = f"runs with the seeds {', '.join(map(str, SEEDS))}, which say so in their settings"
    for number in SEEDS:
        outcome = context.run(f"seed-{number}", seed=number)
        problem = _seed_problem(outcome, number, expected)
        if problem is not None:
            return problem
    recorded = "recorded" if outcome.settings is not None else NOT_RECORDED
    if outcome.equals(context.usual):
        to_do = "Right for a deterministic method; otherwise pass the job's seed on."
        return note(expected, f"{recorded}; the same embedding as with seed 0", to_do, outcome)
    return passed(expected, f"{recorded}; another embedding than with seed 0", outcome)


def _seed_problem(outcome: TrialOutcome, number: int, expected: str) -> Answer | None:
    if not outcome.complete:
        to_do = (
            "Any seed from 0 to 2³²-1 must work: reduce it to what the method's library takes, "
            "by a remainder."
        )
        return failed(expected, f"seed {number}: {outcome.describe()}", to_do, outcome)
    recorded = number if outcome.settings is None else outcome.settings.get("seed")
    if recorded != number:
        happened = f"metrics.json records seed {recorded!r} instead of {number}"
        return failed(expected, happened, "Record the job's own seed.", outcome)
    return None


def resources(context: CheckContext) -> Answer:
    """Compare what the usual run used with what the model declares."""
    declared, record = context.trials.limits, context.usual.record
    usage = record.usage
    expected = f"at most {record.threads} thread(s) and {format_bytes(declared.memory)} of memory"
    if usage.cpu_seconds is None or usage.peak_memory_bytes is None:
        return skipped(expected, "the engine can't tell")
    happened = (
        f"{format_seconds(usage.wall_seconds)}, CPU {format_seconds(usage.cpu_seconds)}, peak "
        f"memory {format_bytes(usage.peak_memory_bytes)}, {record.threads} thread(s)"
    )
    share = usage.cpu_seconds / max(usage.wall_seconds, 0.1)
    if share > THREADS_TOLERANCE * record.threads:
        to_do = "Take the number of threads from OMP_NUM_THREADS (job.threads), not from the CPU."
        return failed(expected, f"{happened}: {share:.1f} cores at once", to_do, context.usual)
    return passed(expected, happened)
