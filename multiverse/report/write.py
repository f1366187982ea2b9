"""Everything that is made from a results folder, one by one: one that fails costs no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from multiverse.contract.folders import is_folder
from multiverse.errors import MultiverseError
from multiverse.events import Noted, Tell, silent
from multiverse.runs.results import Results

Write = Callable[[], list[Path]]
#: Of an output that failed for a reason that is no error of ours.
_UNEXPECTED = 1


@dataclass(frozen=True)
class Output:
    """One thing that was to be written. ``message``: why it was not, empty if all went well."""

    name: str
    written: tuple[Path, ...] = ()
    message: str = ""
    remedy: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report that were written, and those that were not."""

    outputs: tuple[Output, ...]

    @property
    def written(self) -> list[Path]:
        return [path for output in self.outputs for path in output.written]

    @property
    def failed(self) -> list[Output]:
        return [output for output in self.outputs if output.message]

    @property
    def exit_code(self) -> int:
        """0, or that of the first output that failed."""
        return next((output.exit_code for output in self.failed), 0)


def write_report(
    results: Results,
    figures: bool = False,
    tell: Tell = silent,
    *,
    output: Path | None = None,
) -> WrittenReport:
    """Write the page, ``scores.csv``, ``figures/`` if wanted, and the research object.

    Figures that are there already are drawn anew in any case: they would show other scores.
    ``output``: where the page goes instead of ``report.html``. ``tell`` hears of each output.
    What goes wrong is in the result.
    """
    return WrittenReport(tuple(_outputs(results, figures, output, tell)))


def _outputs(results: Results, figures: bool, output: Path | None, tell: Tell) -> Iterator[Output]:
    figures = figures or is_folder(results.paths.figures)
    steps: dict[str, Write] = {
        "scores": partial(_scores, results),
        "page": partial(_page, results, output),
        **({"figures": partial(_figures, results)} if figures else {}),
        "research object": partial(_crate, results),  # last: it describes the others
    }
    for name, write in steps.items():
        made = _try(name, write)
        tell(Noted(f"{name}: {made.message or 'written'}"))
        yield made


def _try(name: str, write: Write) -> Output:
    try:
        return Output(name, tuple(write()))
    except MultiverseError as error:
        return Output(name, (), str(error), error.remedy or "", error.exit_code)
    except Exception as error:
        # Libraries draw what models and users wrote: no surprise of theirs may cost the others.
        return Output(name, (), f"{type(error).__name__}: {str(error)[:500]}", "", _UNEXPECTED)


# Each output brings a library of its own; a command loads only those that it needs.


def _scores(results: Results) -> list[Path]:
    from multiverse.report.tables import write_scores

    return [write_scores(results)]


def _page(results: Results, output: Path | None) -> list[Path]:
    from multiverse.report.page import write_page

    return [write_page(results, output)]


def _figures(results: Results) -> list[Path]:
    from multiverse.report.figures.write import write_figures

    return write_figures(results)


def _crate(results: Results) -> list[Path]:
    from multiverse.report.crate.write import write_crate

    return [write_crate(results)]
