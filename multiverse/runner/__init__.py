"""Schedules jobs on an engine: start, watch, check, publish, cancel.

May import plan, runs and engines.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.runner.capacity import Machine
    from multiverse.runner.options import MIN_FREE, RunOptions
    from multiverse.runner.preview import Preview, Prospect
    from multiverse.runner.resume import NEW
    from multiverse.runner.signals import CommandSignals, ask_again
else:
    __getattr__ = lazily(
        __name__,
        capacity="Machine",
        options="MIN_FREE RunOptions",
        preview="Preview Prospect",
        resume="NEW",
        signals="CommandSignals ask_again",
    )

__all__ = [
    "MIN_FREE",
    "NEW",
    "CommandSignals",
    "Machine",
    "Preview",
    "Prospect",
    "RunOptions",
    "ask_again",
]
