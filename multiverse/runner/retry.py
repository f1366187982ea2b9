"""Whether a failed attempt is made again, and with what."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multiverse.plan.job import Limits, RetryPolicy
from multiverse.runs.record import Cause, RunRecord, RunState
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
    """The next attempt after a failed one, or None if there is none.

    ``made`` counts the attempts of this command; ``most_memory`` is what the machine has for one
    job, in bytes.
    """
    if record.state is not RunState.FAILED or made > policy.retries:
        return None
    if record.cause in NOT_ITS_FAULT:
        return Again(limits, "as before")
    if record.cause is not Cause.OUT_OF_MEMORY:
        return None
    most = min(most_memory, policy.max_memory or most_memory)
    memory = min(int(limits.memory * policy.memory_growth), most)
    if memory <= limits.memory:
        return None
    return Again(replace(limits, memory=memory), f"with {format_bytes(memory)} of memory")
