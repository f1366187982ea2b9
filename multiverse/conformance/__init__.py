"""The conformance suite: does a model keep the container contract, on tiny and on hostile data?

A model is run as the runner runs it, on a real engine, some tens of times on datasets of a hundred
cells. Every check ends as passed, failed, note or not applicable, and says what was expected, what
happened and what to do. May import contract, specs, registry, plan, runs, engines, runner and demo.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.conformance.report import CheckReport, CheckResult, CheckStatus
    from multiverse.conformance.suite import SuiteOptions, check_model
    from multiverse.conformance.target import find_target
else:
    __getattr__ = lazily(
        __name__,
        report="CheckReport CheckResult CheckStatus",
        suite="SuiteOptions check_model",
        target="find_target",
    )

__all__ = [
    "CheckReport",
    "CheckResult",
    "CheckStatus",
    "SuiteOptions",
    "check_model",
    "find_target",
]
