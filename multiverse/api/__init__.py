"""The library behind the commands: what ``import multiverse`` offers.

May import every room but ``cli``. Each command of the CLI calls one function of this package.
"""

from multiverse.api.benchmark import (
    Request,
    Results,
    evaluate,
    open_results,
    preview_benchmark,
    raise_failures,
    register,
    run,
    run_benchmark,
)

__all__ = [
    "Request",
    "Results",
    "evaluate",
    "open_results",
    "preview_benchmark",
    "raise_failures",
    "register",
    "run",
    "run_benchmark",
]
