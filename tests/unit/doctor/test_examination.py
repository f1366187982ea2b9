"""A slow or broken check never stops the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiverse.doctor.examination import examine, is_well
from multiverse.doctor.finding import MachineFinding, Severity, ok, warning
from multiverse.doctor.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, tmp_path, tmp_path, ())


def fine(_scene: Scene) -> Iterator[MachineFinding]:
    yield ok("fine", "seen")


def broken(_scene: Scene) -> Iterator[MachineFinding]:
    yield warning("broken", "before it broke", "repair it")
    raise RuntimeError("of a surprise\x1b[2J")


def test_findings_come_in_the_order_of_the_checks_and_a_broken_one_is_said(scene: Scene) -> None:
    found = examine(scene, {"broken": broken, "fine": fine})
    assert [(item.area, item.status) for item in found] == [
        ("broken", Severity.WARNING),
        ("broken", Severity.ERROR),
        ("fine", Severity.OK),
    ]
    assert "RuntimeError: of a surprise" in found[1].seen
    assert not is_well(found)
    assert is_well(examine(scene, {"fine": fine}))


def test_a_check_that_hangs_is_said_with_what_it_had_found(scene: Scene) -> None:
    released = threading.Event()

    def hanging(_scene: Scene) -> Iterator[MachineFinding]:
        yield ok("disk", "the first disk")
        released.wait()

    try:
        found = examine(scene, {"disk": hanging, "fine": fine}, seconds=0.2)
    finally:
        released.set()
    assert [(item.area, item.status) for item in found] == [
        ("disk", Severity.OK),
        ("disk", Severity.ERROR),
        ("fine", Severity.OK),
    ]
    assert "not done within 0.2 s" in found[1].seen
