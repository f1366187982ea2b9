"""Shows the progress of an evaluation: a bar on a terminal, a line a member in a pipe."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from multiverse.cli.terminal import console, safe
from multiverse.events import Event, MetricScored, Noted, Tell


class Evaluating:
    """Shows the metrics that have been computed, while it is entered."""

    def __init__(self, out: Console | None = None) -> None:
        self._console = out or console(stderr=True)
        self._bar = Bar(
            TextColumn("scoring"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("scoring", total=None, what="starting")
        self._told = 0
        self._shown = False

    def __call__(self, event: Event) -> None:
        if not isinstance(event, MetricScored):
            return
        done, total = event.done, event.total
        shown = safe(event.what).plain.replace("[", "\\[")
        self._bar.update(self._task, completed=done, total=total or None, what=shown)
        if not self._console.is_terminal and done > self._told:
            self._console.print(safe(f"scoring: {done} of {total}, {event.what}"))
        self._told = done

    def beside(self, tell: Tell) -> Tell:
        """Return a listener whose notes don't run into the bar, which is away meanwhile."""

        def told(event: Event) -> None:
            away = self._shown and self._console.is_terminal and isinstance(event, Noted)
            if away:
                self._bar.stop()
            try:
                tell(event)
            finally:
                if away:
                    self._bar.start()

        return told

    def __enter__(self) -> Self:
        self._shown = True
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shown = False
        self._bar.stop()
