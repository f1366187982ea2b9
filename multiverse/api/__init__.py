"""The library behind the commands: what ``import multiverse`` offers, and more.

Each command of the CLI calls one function of this package. Importing it loads nothing; a name
loads what it needs when it is first used. May import every room but ``cli``.

Every function raises :class:`~multiverse.errors.MultiverseError` for what a request, a file, an
engine or a disk can do wrong, the exception of Python (OSError, MemoryError, …) for what nobody
foresaw, and KeyboardInterrupt.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.api.benchmark import (
        BenchmarkOutcome,
        preview,
        preview_benchmark,
        raise_failures,
        run,
        run_and_finish,
        run_benchmark,
    )
    from multiverse.api.datasets import demo_benchmark, list_datasets, make_demo, register
    from multiverse.api.finish import (
        Conclusion,
        evaluate,
        evaluation_settings,
        evaluation_weights,
        score_results,
    )
    from multiverse.api.inspection import advise_keys, inspect
    from multiverse.api.machine import doctor
    from multiverse.api.models import (
        build_images,
        check,
        find_model,
        hidden_models,
        list_models,
        new_model,
    )
    from multiverse.api.request import (
        Overrides,
        Request,
        Steps,
        amount,
        duration,
        file_entry,
        named_engine,
        output_of,
        read_benchmark,
        room,
        short_benchmark,
    )
    from multiverse.api.results import (
        CleanupResult,
        ReportOutcome,
        Results,
        Run,
        RunScore,
        clean,
        compare,
        comparisons,
        find_run,
        open_results,
        ranking,
        report,
        run_scores,
        status,
        track,
        verify,
        watch,
    )
    from multiverse.api.settings import RunKeywords
else:
    __getattr__ = lazily(
        __name__,
        benchmark=(
            "BenchmarkOutcome preview preview_benchmark raise_failures run "
            "run_and_finish run_benchmark"
        ),
        datasets="demo_benchmark list_datasets make_demo register",
        finish="Conclusion evaluate evaluation_settings evaluation_weights score_results",
        inspection="advise_keys inspect",
        machine="doctor",
        models="build_images check find_model hidden_models list_models new_model",
        request=(
            "Overrides Request Steps amount duration file_entry named_engine "
            "output_of read_benchmark room short_benchmark"
        ),
        results=(
            "CleanupResult ReportOutcome Results Run RunScore clean compare comparisons "
            "find_run open_results ranking report run_scores status track "
            "verify watch"
        ),
        settings="RunKeywords",
    )

__all__ = [
    "BenchmarkOutcome",
    "CleanupResult",
    "Conclusion",
    "Overrides",
    "ReportOutcome",
    "Request",
    "Results",
    "Run",
    "RunKeywords",
    "RunScore",
    "Steps",
    "advise_keys",
    "amount",
    "build_images",
    "check",
    "clean",
    "compare",
    "comparisons",
    "demo_benchmark",
    "doctor",
    "duration",
    "evaluate",
    "evaluation_settings",
    "evaluation_weights",
    "file_entry",
    "find_model",
    "find_run",
    "hidden_models",
    "inspect",
    "list_datasets",
    "list_models",
    "make_demo",
    "named_engine",
    "new_model",
    "open_results",
    "output_of",
    "preview",
    "preview_benchmark",
    "raise_failures",
    "ranking",
    "read_benchmark",
    "register",
    "report",
    "room",
    "run",
    "run_and_finish",
    "run_benchmark",
    "run_scores",
    "score_results",
    "short_benchmark",
    "status",
    "track",
    "verify",
    "watch",
]
