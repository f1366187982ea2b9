"""How long an answer of a daemon is waited for: long, and shortly once everything is to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from multiverse.errors import EngineUnavailable

Answer = TypeVar("Answer")
#: Once a stop was asked for, a daemon that has said nothing for so long is not waited for any
#: more. A loaded one takes seconds to end a container.
HURRIED_SECONDS = 15.0
TICK_SECONDS = 0.1


class Patience:
    """Asks questions in threads of their own, so that whoever asks can give up.

    Neither a time-out of the connection nor a signal ends a question to a daemon that hangs, or
    that answers a byte a minute.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._until = float("inf")

    def heed(self, cancelled: threading.Event) -> None:
        """Be short from the moment on that this event is set."""
        self._cancelled = cancelled
        self._until = float("inf")

    @property
    def is_over(self) -> bool:
        """True once everything is to end and nothing has been heard for too long."""
        if not self._cancelled.is_set():
            return False
        if self._until == float("inf"):
            self._until = time.monotonic() + HURRIED_SECONDS
        return time.monotonic() > self._until

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer, or raise what asking raised.

        Raises :class:`EngineUnavailable` when patience is over; what was asked for may be done
        all the same, later.
        """
        answer: Future[Answer] = Future()
        thread = threading.Thread(target=self._answer, args=(question, answer), daemon=True)
        thread.start()
        while not wait([answer], TICK_SECONDS).done:
            if self.is_over:
                raise EngineUnavailable("the Docker daemon does not answer")
        return answer.result()

    def _answer(self, question: Callable[[], Answer], answer: Future[Answer]) -> None:
        try:
            content = question()
        except BaseException as error:  # raised by whoever asked
            answer.set_exception(error)
            return
        if self._until != float("inf"):  # it is there, and a little more may be asked
            self._until = time.monotonic() + HURRIED_SECONDS
        answer.set_result(content)
