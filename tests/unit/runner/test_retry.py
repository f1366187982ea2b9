"""Which failures are repeated, with what, and how often."""

from __future__ import annotations

import pytest

from multiverse.facts import Cause, RunState
from multiverse.plan.job import Limits, RetryPolicy
from multiverse.runner.retry import again
from multiverse.runs.record import RunRecord
from tests.unit.runner.jobs import GIB

LIMITS = Limits(cpus=1, memory=2 * GIB)


def ended(cause: Cause | None, state: RunState = RunState.FAILED) -> RunRecord:
    return RunRecord.model_construct(state=state, cause=cause)


@pytest.mark.parametrize("cause", [Cause.ENGINE_LOST, Cause.ENGINE_ERROR, Cause.KILLED])
def test_what_is_not_the_models_fault_is_repeated_as_it_was(cause: Cause) -> None:
    following = again(ended(cause), LIMITS, RetryPolicy(), 1, 8 * GIB)
    assert following is not None
    assert following.limits == LIMITS
    assert again(ended(cause), LIMITS, RetryPolicy(), 3, 8 * GIB) is None, "two retries"
    assert again(ended(cause), LIMITS, RetryPolicy(retries=0), 1, 8 * GIB) is None


@pytest.mark.parametrize(
    "cause",
    [Cause.MODEL_ERROR, Cause.BAD_OUTPUT, Cause.TIME_LIMIT, Cause.DISK_LIMIT, Cause.DEVICE_UNUSED],
)
def test_what_would_fail_again_is_not_repeated(cause: Cause) -> None:
    assert again(ended(cause), LIMITS, RetryPolicy(), 1, 8 * GIB) is None


def test_what_did_not_fail_is_not_repeated() -> None:
    for state in (RunState.COMPLETE, RunState.CANCELLED, RunState.NOT_APPLICABLE):
        assert again(ended(Cause.KILLED, state), LIMITS, RetryPolicy(), 1, 8 * GIB) is None


def test_memory_grows_to_the_limit_and_no_further() -> None:
    out = ended(Cause.OUT_OF_MEMORY)
    first = again(out, LIMITS, RetryPolicy(), 1, 7 * GIB)
    assert first is not None
    assert first.limits.memory == 4 * GIB
    assert first.how == "with 4.0 GiB of memory"
    second = again(out, first.limits, RetryPolicy(), 2, 7 * GIB)
    assert second is not None
    assert second.limits.memory == 7 * GIB, "what the machine has"
    assert again(out, second.limits, RetryPolicy(retries=9), 3, 7 * GIB) is None
    policy = RetryPolicy(max_memory=3 * GIB)
    least = again(out, LIMITS, policy, 1, 7 * GIB)
    assert least is not None
    assert least.limits.memory == 3 * GIB, "what the policy allows"
    assert again(out, LIMITS, RetryPolicy(memory_growth=1), 1, 7 * GIB) is None
