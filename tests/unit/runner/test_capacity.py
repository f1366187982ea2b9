"""What fits, what is cut, what is refused, and what is free."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.engines.protocol import Capacity, Gpu
from multiverse.errors import UsageError
from multiverse.events import silent
from multiverse.plan.job import Limits, PlannedJob
from multiverse.runner.capacity import Machine, Room, fit, usable
from tests.told import notes_into
from tests.unit.runner.jobs import GIB, make_job

MACHINE = Capacity(4, 32 * GIB, (Gpu("0", "A", 80 * GIB), Gpu("1", "B", 80 * GIB)))


def job(limits: Limits, device: str = "cpu") -> PlannedJob:
    return make_job(limits=limits, device=device)


def test_a_part_of_the_memory_is_left_to_the_system() -> None:
    assert usable(MACHINE, Machine()).memory == 30 * GIB
    assert usable(Capacity(1, 4 * GIB), Machine()).memory == 4 * GIB - GIB // 2
    assert usable(Capacity(1, GIB // 2), Machine()).memory == GIB // 4


def test_the_user_says_how_much() -> None:
    there = usable(MACHINE, Machine(cpus=2, memory=8 * GIB, gpus=("1",)))
    assert (there.cpus, there.memory, [gpu.id for gpu in there.gpus]) == (2, 8 * GIB, ["1"])
    assert usable(MACHINE, Machine(gpus=())).gpus == ()
    with pytest.raises(UsageError, match="--gpus 7"):
        usable(MACHINE, Machine(gpus=("0", "7")))


def test_what_a_model_would_like_is_cut_and_what_a_user_asks_for_is_refused() -> None:
    said: list[str] = []
    wish = Limits(cpus=16, memory=64 * GIB)
    (cut,) = fit([job(wish)], usable(MACHINE, Machine()), notes_into(said))
    assert (cut.limits.cpus, cut.limits.memory) == (4, 30 * GIB)
    assert len(said) == 2
    assert "16 CPU cores and gets 4" in said[0]
    asked = Limits(cpus=16, memory=64 * GIB, asked=frozenset({"cpus", "memory"}))
    with pytest.raises(UsageError, match="can never run") as refused:
        fit([job(asked)], usable(MACHINE, Machine()), silent)
    for number in ("16 CPU cores", "use 4", "64.0 GiB", "30.0 GiB"):
        assert number in str(refused.value)


def test_a_gpu_that_jobs_may_not_use_is_refused() -> None:
    few = Limits(cpus=1, memory=GIB)
    with pytest.raises(UsageError, match="GPU 1"):
        fit([job(few, "cuda:1")], usable(MACHINE, Machine(gpus=("0",))), silent)


def test_room_is_taken_and_given_back() -> None:
    room = Room(Capacity(2, 8 * GIB))
    first = room.take(Limits(cpus=1.5, memory=2 * GIB), "cpu")
    assert first is not None
    assert room.take(Limits(cpus=1, memory=GIB), "cpu") is None, "no CPU"
    assert room.take(Limits(cpus=0.5, memory=7 * GIB), "cpu") is None, "no memory"
    room.give_back(first)
    assert room.take(Limits(cpus=2, memory=8 * GIB), "cpu") is not None


def test_tenths_of_a_core_add_up() -> None:
    room = Room(Capacity(1, 8 * GIB))
    shares = [room.take(Limits(cpus=0.1, memory=GIB // 8), "cpu") for _ in range(10)]
    assert None not in shares
    assert room.take(Limits(cpus=0.1, memory=GIB // 8), "cpu") is None


def test_a_gpu_has_one_job_unless_told_otherwise() -> None:
    few = Limits(cpus=0.5, memory=GIB)
    room = Room(MACHINE)
    taken = [room.take(few, "cuda") for _ in range(3)]
    assert [share and share.gpu for share in taken] == ["0", "1", None]
    assert room.take(few, "cpu") is not None, "a job without GPU does not wait for one"
    assert taken[1] is not None
    room.give_back(taken[1])
    assert room.take(few, "cuda:0") is None, "that one is taken"
    again = room.take(few, "cuda:1")
    assert again is not None
    assert again.gpu == "1"
    shared = Room(MACHINE, jobs_per_gpu=2)
    assert [share and share.gpu for share in (shared.take(few, "cuda") for _ in range(5))] == [
        "0", "1", "0", "1", None,
    ]  # fmt: skip


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    for machine in (
        Machine(cpus=0),
        Machine(cpus=-1),
        Machine(cpus=float("inf")),
        Machine(cpus=float("nan")),
        Machine(jobs_per_gpu=0),
    ):
        with pytest.raises(UsageError):
            machine.check()


def test_what_runs_already_takes_its_room_and_its_gpu() -> None:
    few = Limits(cpus=1, memory=GIB)
    room = Room(Capacity(1, GIB, MACHINE.gpus))
    share = room.force(Limits(cpus=4, memory=8 * GIB), "0")
    assert room.take(few, "cpu") is None
    room.give_back(share)
    held = room.force(Limits(cpus=0, memory=0), "0")
    taken = room.take(few, "cuda")
    assert (held.gpu, taken and taken.gpu) == ("0", "1")


def test_a_gpu_that_nobody_names_has_one_job_too() -> None:
    """A daemon elsewhere has one, and its machine can't be asked which."""
    few = Limits(cpus=0.5, memory=GIB)
    room = Room(Capacity(8, 8 * GIB))
    first = room.take(few, "cuda")
    assert first is not None
    assert (first.gpu, room.take(few, "cuda:1")) == (None, None)
    room.give_back(first)
    assert room.take(few, "cuda:1") is not None


def test_without_gpus_a_job_that_wants_one_is_refused() -> None:
    with pytest.raises(UsageError, match="jobs may use none"):
        fit([job(Limits(cpus=1, memory=GIB), "cuda")], MACHINE, silent, no_gpu=True)
