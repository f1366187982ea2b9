"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second ends at once."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Signals that come closer together are one: `timeout` and a terminal's group both pass it on.
ONE_SIGNAL_SECONDS = 0.5
#: After the second, what can be ended may be for so long; a third one ends without that.
LAST_SECONDS = 2.0
_LAST_WORDS = (
    "\nended at once: what ran may be left half-done, and containers that Docker was not asked "
    "to remove in time go on; the next command on the same results folder finds and ends them\n"
)
_SHOW_CURSOR = "\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP.

    A class of its own: CPython notes a plain KeyboardInterrupt that passes through ``exec`` (as
    dataclasses use it while modules are imported), and then ends the process by the signal even
    if it was caught.
    """


@dataclass(frozen=True)
class _Work:
    """Work that ends in order when ``asked``, or at once by ``end``."""

    asked: threading.Event
    end: Callable[[], object]


class CommandSignals:
    """The signals of a process that is one command.

    The first unwinds it by :class:`Interrupted`, or asks the work that is under way to end
    (:func:`cancellation`). A second one ends the process, whatever its main thread does meanwhile:
    it may wait for a daemon, a lock, a thread or a library that never come back. Python runs a
    handler in the main thread alone, when that gets to it; so a thread of its own reads the
    number of each signal, which the interpreter writes to a pipe as it arrives.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._works: list[_Work] = []
        self._told = False
        self._first: float | None = None
        self._ending = threading.Lock()
        self._pipe: tuple[int, int] | None = None

    def take(self) -> None:
        """Handle the signals from now on; where somebody else decides on them, do nothing."""
        global _taken
        try:
            for number in NUMBERS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                    self._before[number] = signal.signal(number, self._handle)
        except ValueError:  # not the main thread
            return
        _taken = self
        with suppress(OSError, RuntimeError):  # no thread to be had: the handler counts alone
            self._watch()

    def leave(self, *, for_good: bool) -> None:
        """Handle them no more. ``for_good``: the process ends now, and a signal may end it."""
        global _taken
        if for_good and self._told:
            _kill_descendants()  # what did not hear that all is to end
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if for_good else handler)  # type: ignore[arg-type]
        self._before.clear()
        if _taken is self:
            _taken = None
        if self._pipe is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._pipe[1])  # which ends the thread
            self._pipe = None

    @contextmanager
    def instead(self, work: _Work) -> Iterator[None]:
        """Let the first signal ask this work to end, instead of unwinding it."""
        self._works.append(work)
        try:
            yield
        finally:
            self._works.remove(work)

    def again(self) -> None:
        """Take the first signal as not heard: what it raised was lost on the way."""
        self._told = False
        if signal.SIGINT in self._before:
            signal.raise_signal(signal.SIGINT)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._pipe is None:
            self._arrived(number)
        if self._told:
            return
        self._told = True
        if not self._works:
            raise Interrupted
        self._works[-1].asked.set()

    def _watch(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        threading.Thread(target=self._read, args=(reading,), name="signals", daemon=True).start()
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._pipe = reading, writing

    def _read(self, reading: int) -> None:
        while numbers := os.read(reading, 64):
            for number in numbers:
                if number in NUMBERS:
                    self._arrived(number)
        os.close(reading)

    def _arrived(self, number: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > ONE_SIGNAL_SECONDS:
            if not self._ending.acquire(blocking=False):
                os._exit(128 + number)
            self._first = now
            if not _started(partial(self._end, number)):
                self._end(number)

    def _end(self, number: int) -> None:
        """End the process; before that what it has started, as far as that takes no time."""
        try:
            last = [_started(work.end) for work in self._works]
            deadline = time.monotonic() + LAST_SECONDS
            for thread in filter(None, last):
                thread.join(max(0.0, deadline - time.monotonic()))
            _say(_LAST_WORDS)
            _kill_descendants()
        finally:
            os._exit(128 + number)


#: Of the process: whoever is asked to cancel some work asks these signals for it.
_taken: CommandSignals | None = None


def ask_again() -> None:
    """Deliver a signal anew whose exception was lost, in an object's finaliser."""
    if _taken is not None:
        _taken.again()


@contextmanager
def cancellation(
    event: threading.Event, at_once: Callable[[], object] | None = None
) -> Iterator[None]:
    """Set ``event`` on SIGINT, SIGTERM or SIGHUP; a second signal does not wait for what follows.

    In a command the process ends then (:class:`CommandSignals`), after ``at_once``, which is given
    a moment to end what would outlive it. In Python KeyboardInterrupt is raised. Outside the main
    thread nothing can be installed, so nothing is: the caller's own handling stays.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _taken is not None:
        with _taken.instead(_Work(event, at_once or _nothing)):
            yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {
        number: signal.signal(number, handle)
        for number in NUMBERS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing() -> None:
    """Leave what is at work to the end of the process."""


def _started(target: Callable[[], object]) -> threading.Thread | None:
    """Return a thread that does something, or None where there can be no more threads."""
    thread = threading.Thread(target=target, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _say(words: str) -> None:
    """Write to standard error, if that takes it without waiting."""
    for descriptor, text in ((1, _SHOW_CURSOR), (2, words)):
        with suppress(OSError):
            if descriptor == 1 and not os.isatty(descriptor):
                continue
            if select.select([], [descriptor], [], 0)[1]:
                os.write(descriptor, text.encode())


def _kill_descendants() -> None:
    """Kill every process that this one has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    waiting = [os.getpid()]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            waiting.append(pid)
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, int]]:
    """Yield each process and its parent."""
    if sys.platform != "linux":
        import psutil

        for process in psutil.process_iter():
            with suppress(psutil.Error):
                yield process.pid, process.ppid()
        return
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                facts = (folder / "stat").read_bytes()
                yield int(folder.name), int(facts.rpartition(b")")[2].split()[1])
