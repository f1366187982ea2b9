"""What tests hear of events."""

from __future__ import annotations

from multiverse.events import Event, Noted, Tell


def notes_into(said: list[str]) -> Tell:
    """Return a listener that keeps the messages of notes."""

    def hear(event: Event) -> None:
        if isinstance(event, Noted):
            said.append(event.message)

    return hear
