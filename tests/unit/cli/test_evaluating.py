"""The bar of an evaluation: on a terminal, and out of the way of notes."""

from __future__ import annotations

import io

from rich.console import Console

from multiverse.cli.evaluating import Evaluating
from multiverse.events import Event, MetricScored, Noted


def terminal(out: io.StringIO) -> Console:
    return Console(file=out, width=80, force_terminal=True, color_system=None, legacy_windows=False)


def test_a_note_does_not_run_into_the_bar() -> None:
    out = io.StringIO()

    def tell(event: Event) -> None:
        if isinstance(event, Noted):
            out.write(f"{event.message}\n")

    evaluating = Evaluating(terminal(out))
    beside = evaluating.beside(tell)
    beside(Noted("before"))
    with evaluating:
        beside(Noted("while it is shown"))
        evaluating(MetricScored("pca · clisi", 1, 2))
        beside(MetricScored("pca · clisi", 1, 2))
    beside(Noted("after"))
    lines = out.getvalue().splitlines()
    shown = [line for line in lines if "while it is shown" in line]
    # What stands before it in its line moves the cursor and erases; no letter of the bar is left.
    assert [line.rpartition("\x1b[2K")[2] for line in shown] == ["while it is shown"]
    assert lines[0] == "before"
    assert lines[-1].endswith("after")
    assert "scoring" in out.getvalue()
    assert "1/2" in out.getvalue()


def test_in_a_pipe_a_member_is_a_line_and_there_is_no_bar() -> None:
    out = io.StringIO()
    with Evaluating(Console(file=out, width=80)) as evaluating:
        evaluating(MetricScored("pca · clisi", 0, 2))
        evaluating(MetricScored("pca · scored", 1, 2))
    assert out.getvalue().split("\n")[0] == "scoring: 1 of 2, pca · scored"
