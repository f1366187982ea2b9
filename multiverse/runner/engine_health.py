"""After an engine was lost: is it back?"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from multiverse.engines.protocol import Engine
from multiverse.errors import EngineError
from multiverse.events import Tell, Warned
from multiverse.specs.quantity import format_seconds

#: An engine that is being restarted is waited for this long.
PATIENCE_SECONDS = 300.0
PAUSE_SECONDS = 1.0


class EngineDoubt:
    """Raised by a job that lost its engine; settled by an engine that answers again."""

    remedy = "Start the engine, then run the same command again: it goes on from here."

    def __init__(self, engine: Engine, labels: Mapping[str, str], tell: Tell) -> None:
        self._engine = engine
        self._labels = labels
        self._tell = tell
        self._raised = threading.Event()
        self._since: float | None = None
        self._asked = 0.0
        self.words = ""

    def raise_(self) -> None:
        """Raise doubt: a job says that the engine was lost."""
        self._raised.set()

    @property
    def given_up(self) -> bool:
        """True if it has been away for longer than anybody would restart it."""
        return self._since is not None and time.monotonic() - self._since > PATIENCE_SECONDS

    def may_start(self) -> bool:
        """Return whether jobs can be started; asks the engine where there is a doubt."""
        if not self._raised.is_set():
            return True
        now = time.monotonic()
        if now - self._asked < PAUSE_SECONDS:
            return False
        self._asked = now
        try:
            self._engine.orphans(self._labels)
        except EngineError as error:
            self.words = str(error)
            if self._since is None:
                self._since = now
                self._tell(
                    Warned(f"{error}: it is waited for, up to {format_seconds(PATIENCE_SECONDS)}")
                )
            return False
        if self._since is not None:
            self._tell(Warned("the engine answers again"))
        self._raised.clear()
        self._since = None
        return True
