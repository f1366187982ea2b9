"""From how a process ended and what it wrote to how the attempt ended."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiverse.contract.cells import CellNames
from multiverse.contract.files import make_accessible, read_regular
from multiverse.contract.output import check_output, is_finite, read_metrics
from multiverse.contract.paths import EXIT_NOT_APPLICABLE, OutputFiles
from multiverse.engines.log_sink import last_lines, printable
from multiverse.engines.protocol import Ending
from multiverse.errors import MultiverseError
from multiverse.facts import STOPPED, Cause, GpuUsage, RunState
from multiverse.plan.job import Limits
from multiverse.runs.folder import AttemptFolder
from multiverse.specs.quantity import format_bytes

#: How a line of the worker's log begins; in a message its words are enough.
_STAMP = re.compile(r"^[0-9T:.-]+Z? [A-Z]+ ")
#: What no GPU has: a name so long, so many bytes.
MAX_GPU_NAME, MAX_GPU_BYTES = 200, 1024**5


@dataclass(frozen=True)
class Verdict:
    """The end of an attempt, and its reason."""

    state: RunState
    cause: Cause | None = None
    message: str = ""
    findings: tuple[str, ...] = ()


def judge(
    ending: Ending,
    attempt: AttemptFolder,
    read_cells: Callable[[], CellNames],
    limits: Limits,
    cancelled: threading.Event | None = None,
) -> Verdict:
    """Return the verdict on a process that has ended, by itself or not.

    ``read_cells`` gives the names of the input's cells; it is asked only if there is an output to
    compare with them. Raises :class:`Cancelled` once ``cancelled`` is set while the output is
    checked.
    """
    if ending.cause in STOPPED:
        with suppress(OSError):  # where its engine was lost it may still be at work
            make_accessible(attempt.output.folder)
        return _stopped(ending, attempt)
    make_accessible(attempt.output.folder)
    if ending.cause is not None:
        message = _engine_message(ending, limits)
        return Verdict(RunState.FAILED, ending.cause, message)
    if ending.exit_code == EXIT_NOT_APPLICABLE:
        reason = _reason(attempt.output) or _last_line(attempt) or "no reason was given"
        return Verdict(RunState.NOT_APPLICABLE, Cause.NOT_APPLICABLE, reason)
    if ending.exit_code != 0:
        message = f"the model ended with {_exit_words(ending.exit_code)}"
        return Verdict(RunState.FAILED, Cause.MODEL_ERROR, _with_log(message, attempt))
    try:
        cells = read_cells()
    except (OSError, KeyError, ValueError, MultiverseError) as error:
        message = f"its dataset can't be read any more: {printable(str(error))[:300]}"
        return Verdict(RunState.FAILED, Cause.DATASET_LOST, message)
    findings = tuple(
        printable(str(finding)) for finding in check_output(attempt.output.folder, cells, cancelled)
    )
    if findings:
        count = f"{len(findings)} problem{'s' if len(findings) > 1 else ''}"
        message = f"its output has {count}: {'; '.join(findings)}"
        return Verdict(RunState.FAILED, Cause.BAD_OUTPUT, message, findings)
    return Verdict(RunState.COMPLETE)


def device_verdict(device: str, gpu: GpuUsage | None) -> Verdict | None:
    """Return the verdict on a job that asked for a GPU and does not show that one computed.

    None for a job on the CPU, and where ``gpu`` has memory that tensors were in.
    """
    if device == "cpu" or (gpu is not None and gpu.peak_memory_bytes > 0):
        return None
    if gpu is None:
        shown = "its metrics.json names no GPU that it used"
    else:
        shown = f"it used no memory of its GPU ({gpu.name})"
    message = (
        f"was to compute on {device}, but {shown}: run it with --device cpu, build its CUDA "
        "variant, or let the model write `gpu` as the container contract says"
    )
    return Verdict(RunState.FAILED, Cause.DEVICE_UNUSED, message)


def gpu_usage(output_folder: Path) -> GpuUsage | None:
    """Return the GPU that a model says it computed on (``gpu`` in ``metrics.json``).

    None where it names none, or where nothing sensible is said of it.
    """
    path = OutputFiles(output_folder).metrics
    try:
        content = read_metrics(path)
    except (OSError, ValueError, RecursionError):
        return None
    gpu = content.get("gpu") if isinstance(content, dict) else None
    if not isinstance(gpu, dict):
        return None
    name: Any = gpu.get("name")
    peak: Any = gpu.get("peak_memory_bytes")
    if not isinstance(name, str) or not is_finite(peak) or not 0 <= peak < MAX_GPU_BYTES:
        return None
    words = " ".join(printable(name[:MAX_GPU_NAME]).split())
    return GpuUsage(name=words, peak_memory_bytes=int(peak)) if words else None


def _stopped(ending: Ending, attempt: AttemptFolder) -> Verdict:
    """Return the verdict on a job that was stopped on request or at one of its limits."""
    if ending.cause is Cause.CANCELLED:
        return Verdict(RunState.CANCELLED, Cause.CANCELLED, ending.detail)
    if ending.cause is Cause.TIME_LIMIT:
        message = _with_log(f"{ending.detail}: allow more with --time-limit", attempt)
        return Verdict(RunState.FAILED, Cause.TIME_LIMIT, message)
    return Verdict(RunState.FAILED, ending.cause, ending.detail)


def _engine_message(ending: Ending, limits: Limits) -> str:
    messages = {
        Cause.OUT_OF_MEMORY: (
            f"needed more than its {format_bytes(limits.memory)} of memory: "
            "allow more with --job-memory"
        ),
        Cause.KILLED: (
            f"ended with {_exit_words(ending.exit_code)}: killed by the system or by a person, "
            "or by itself"
        ),
        Cause.ENGINE_LOST: "the engine was lost while it ran: run the same command again",
    }
    message = messages.get(ending.cause, "") if ending.cause else ""
    return f"{message} ({printable(ending.detail)[:300]})" if ending.detail else message


def _exit_words(code: int | None) -> str:
    """Return an exit code in words, with the signal that it stands for in shells and engines."""
    try:
        return f"exit code {code}, as after {signal.Signals((code or 0) - 128).name}"
    except ValueError:
        return f"exit code {code}"


def _with_log(message: str, attempt: AttemptFolder) -> str:
    last = _last_line(attempt)
    return f"{message}; last line of its log: {last}" if last else message


def _last_line(attempt: AttemptFolder) -> str:
    lines = last_lines(attempt.container_log, 1)
    return _STAMP.sub("", lines[-1].strip()) if lines else ""


def _reason(output: OutputFiles) -> str:
    """Return the reason that the worker writes beside exit 99, if there is one."""
    path: Path = output.reason
    try:
        text = read_regular(path, max_bytes=16 * 1024).decode(errors="replace")
    except OSError:
        return ""
    return printable(" ".join(text.split()))[:1000]
