"""The one rule of what is tried again after a failure, and with what."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multiverse.facts import Cause, RunState
from multiverse.plan.job import Limits, RetryPolicy
from multiverse.runs.record import RunRecord
from multiverse.specs.quantity import format_bytes

#: Not the model's own doing: the same attempt may well succeed.
NOT_ITS_FAULT = (Cause.ENGINE_LOST, Cause.ENGINE_ERROR, Cause.KILLED)


@dataclass(frozen=True)
class Again:
    """The next attempt, and in words how it differs."""

    limits: Limits
    how: str


def again(
    record: RunRecord, limits: Limits, policy: RetryPolicy, made: int, most_memory: int
) -> Again | None:
    """Return the next attempt after a failed one, or None if there is none.

    ``made`` counts the attempts of this command; ``most_memory`` is what the machine has for one
    job, in bytes.
    """
    if record.state is not RunState.FAILED or made > policy.retries:
        return None
    if record.cause in NOT_ITS_FAULT:
        return Again(limits, "as before")
    if record.cause is not Cause.OUT_OF_MEMORY:
        return None
    more = more_memory(limits, policy, made, most_memory)
    if more is None:
        return None
    return Again(more, f"with {format_bytes(more.memory)} of memory")


def more_memory(limits: Limits, policy: RetryPolicy, made: int, most_memory: int) -> Limits | None:
    """Return the limits of the next attempt after one that ran out of memory.

    None where there is no more to be had, or no further attempt. Arguments as of :func:`again`.
    """
    most = min(most_memory, policy.max_memory or most_memory)
    memory = min(int(limits.memory * policy.memory_growth), most)
    if made > policy.retries or memory <= limits.memory:
        return None
    return replace(limits, memory=memory)
