"""A daemon that does not answer is waited for, until everything is to end."""

from __future__ import annotations

import threading

import pytest

from multiverse.engines import patience as module
from multiverse.engines.patience import Patience
from multiverse.errors import EngineUnavailable


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    monkeypatch.setattr(module, "HURRIED_SECONDS", 0.5)
    return threading.Event()


@pytest.fixture
def patience(cancelled: threading.Event) -> Patience:
    made = Patience()
    made.heed(cancelled)
    return made


def test_an_answer_is_returned_and_an_error_raised(
    patience: Patience, cancelled: threading.Event
) -> None:
    def refuse() -> None:
        raise ValueError("no")

    for _ in range(2):
        assert patience.ask(lambda: 5) == 5
        with pytest.raises(ValueError, match="no"):
            patience.ask(refuse)
        cancelled.set()


def test_an_answer_that_takes_long_is_waited_for_while_nothing_is_to_end(
    patience: Patience,
) -> None:
    never = threading.Event()
    assert patience.ask(lambda: never.wait(2)) is False


def test_a_question_that_hangs_ends_when_all_is_to_end(
    patience: Patience, cancelled: threading.Event
) -> None:
    """Also one that was asked before; and the next ones do not wait as long again."""
    never = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(EngineUnavailable, match="does not answer"):
        patience.ask(never.wait)
    for _ in range(50):
        with pytest.raises(EngineUnavailable):
            patience.ask(never.wait)
    assert patience.is_over
    never.set()


def test_a_daemon_that_comes_back_is_listened_to(
    patience: Patience, cancelled: threading.Event
) -> None:
    hung = threading.Event()
    cancelled.set()
    with pytest.raises(EngineUnavailable):
        patience.ask(hung.wait)
    hung.set()
    assert patience.ask(lambda: 5) == 5
    assert not patience.is_over


def test_the_next_command_has_patience_again(
    patience: Patience, cancelled: threading.Event
) -> None:
    never = threading.Event()
    cancelled.set()
    with pytest.raises(EngineUnavailable):
        patience.ask(never.wait)
    patience.heed(threading.Event())
    assert not patience.is_over
    assert patience.ask(lambda: never.wait(1)) is False
