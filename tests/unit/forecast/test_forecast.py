"""What is expected of a job follows from what past runs took, as a person would reason."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.forecast.extrapolate import Known, SizedFigure, at_size
from multiverse.forecast.forecast import REMEDY, Expectations, least_memory
from multiverse.forecast.history import PastRun, settings_hash
from multiverse.plan import expand
from multiverse.plan.job import Limits, PlannedJob
from multiverse.registry.models import find_models
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.dataset import DatasetRecord, ModalitySummary
from multiverse.specs.model import ModelSpec

MIB, GIB = 1024**2, 1024**3
SCALING = Path(__file__).resolve().parents[3] / "benchmarks/models/results/scaling.json"
#: Stored counts of a cell.
PER_CELL = 1000


def dataset(n_obs: int, slug: str = "", **n_values: int) -> DatasetRecord:
    values = n_values or {"rna": n_obs * PER_CELL}
    return DatasetRecord(
        slug=slug or f"cells-{n_obs}",
        fingerprint=f"sha256:{n_obs}",
        n_obs=n_obs,
        modalities={
            name: ModalitySummary(n_vars=2000, n_values=number) for name, number in values.items()
        },
        source_name="x.h5mu",
        source_sha256="0",
        options_sha256="0",
        registered_at="2026-01-01T00:00:00+00:00",
        multiverse_version="1.0.0",
    )


def jobs(model: str, *data: DatasetRecord, **entry: Any) -> list[PlannedJob]:
    content = {
        "datasets": [record.slug for record in data],
        "models": [{"model": model, **entry}],
    }
    return list(expand(BenchmarkSource.of(content), data, {model: spec(model)}).jobs)


@cache
def spec(model: str) -> ModelSpec:
    return find_models([model])[model]


def job(
    n_obs: int = 10_000, memory: int = 4 * GIB, model: str = "mofa", **entry: Any
) -> PlannedJob:
    (one,) = jobs(model, dataset(n_obs), **entry)
    return replace(one, limits=Limits(cpus=1, memory=memory))


def past(
    like: PlannedJob, peak: float | None = None, seconds: float = 60, **changes: Any
) -> PastRun:
    """A completed run of a job with a peak in GiB."""
    content: dict[str, Any] = {
        "model": like.model.name,
        "model_version": like.model.version,
        "device": like.device.partition(":")[0],
        "engine": "docker",
        "n_obs": like.dataset.n_obs,
        "n_values": like.n_values,
        "cpus": like.limits.cpus,
        "wall_seconds": seconds,
        "peak_memory_bytes": None if peak is None else round(peak * GIB),
        "out_of_memory": False,
        "memory_limit": 64 * GIB,
        "parameters": settings_hash(like.changed, like.preprocessing),
        "finished_at": "2026-01-01T00:00:00+00:00",
    }
    return PastRun(**{**content, **changes})


def exhausted(like: PlannedJob, limit: float, **changes: Any) -> PastRun:
    """A run that ran out of a limit in GiB."""
    memory = {"out_of_memory": True, "memory_limit": round(limit * GIB)}
    return past(like, **{**memory, **changes})


def expected_gib(past_runs: list[PastRun], one: PlannedJob) -> float:
    estimate = Expectations(past_runs).memory(one)
    assert estimate is not None
    assert estimate.low <= estimate.expected
    assert estimate.high is None or estimate.expected <= estimate.high
    return estimate.expected / GIB


# Without history


def test_without_history_nothing_is_expected_and_impossible_data_are_warned_of() -> None:
    nothing = Expectations([])
    one = job(n_obs=1_000_000, memory=GIB)
    assert nothing.seconds(one) is None
    assert nothing.memory(one) is None
    assert nothing.warning(one) == (
        "mofa on cells-1000000 will probably run out of memory: the counts of rna alone are "
        f"7.5 GiB when they have been read, and it has 1.0 GiB: {REMEDY}"
    )
    assert nothing.warning(replace(one, limits=Limits(cpus=1, memory=8 * GIB))) is None


def test_the_counts_alone_are_those_of_the_modalities_in_use() -> None:
    both = dataset(1000, rna=10**6, adt=10**5)
    (two,) = jobs("mofa", both)
    assert least_memory(two) == 8 * (10**6 + 10**5) + 2 * 4 * 1001
    assert least_memory(replace(two, modalities=("rna",))) == 8 * 10**6 + 4 * 1001


# One size


def test_the_words_of_a_warning() -> None:
    seen = job(10_000)
    warning = Expectations([past(seen, 2.1)]).warning(job(30_000))
    assert warning == (
        "mofa on cells-30000 will probably run out of memory: the last run of mofa on 10,000 "
        "cells used 2.1 GiB, so about 6.0 GiB are expected on 30,000, and it has 4.0 GiB: allow "
        "more with --job-memory, or `resources: memory:` in the benchmark file"
    )


def test_one_size_is_scaled_above_what_a_process_has_without_data() -> None:
    runs = [past(job(10_000), 1.125)]
    assert expected_gib(runs, job(10_000)) == pytest.approx(1.125)
    assert expected_gib(runs, job(30_000)) == pytest.approx(0.125 + 3)
    assert expected_gib(runs, job(1_000)) == pytest.approx(1.125), "as much, on less data"


def test_far_from_the_only_size_the_expectation_is_an_upper_bound() -> None:
    runs = [past(job(1_000), 0.5)]
    estimate = Expectations(runs).memory(job(100_000))
    assert estimate is not None
    assert estimate.known is Known.AT_MOST
    warning = Expectations(runs).warning(job(100_000)) or ""
    assert "mofa on cells-100000 may run out of memory" in warning
    assert "so up to 37.6 GiB are expected on 100,000" in warning
    less = Expectations([past(job(100_000), 5)])
    assert "may run out" in (less.warning(job(10_000)) or "")
    assert less.warning(job(10_000, memory=6 * GIB)) is None


def test_a_small_run_with_other_settings_tells_what_the_libraries_take() -> None:
    tiny = past(job(1_000, parameters={"n_factors": 5}), 0.5)
    seen, bigger = job(10_000), job(30_000)
    assert expected_gib([past(seen, 0.6)], bigger) == pytest.approx(0.125 + 3 * 0.475)
    assert expected_gib([tiny, past(seen, 0.6)], bigger) == pytest.approx(0.5 + 3 * 0.1)


def test_as_much_as_was_enough_is_not_warned_of() -> None:
    run = past(job(10_000), 3.9, memory_limit=4 * GIB)
    assert Expectations([run]).warning(job(10_000)) is None
    assert Expectations([run]).warning(job(8_000)) is None
    roomy = past(job(10_000), 3.9)
    assert "may run out" in (Expectations([roomy]).warning(job(10_000)) or "")


# Several sizes


def test_several_sizes_make_a_line() -> None:
    runs = [past(job(size), 0.25 + size / 10_000) for size in (1_000, 3_000, 10_000)]
    assert expected_gib(runs, job(30_000)) == pytest.approx(3.25)
    assert expected_gib(runs, job(5_000)) == pytest.approx(0.75)
    warning = Expectations(runs).warning(job(58_500)) or ""
    assert "3 runs of mofa on 1,000 to 10,000 cells used up to 1.2 GiB" in warning
    assert "so about 6.1 GiB are expected on 58,500, and it has 4.0 GiB" in warning


@pytest.mark.parametrize("model", sorted(json.loads(SCALING.read_text())["models"]))
def test_measured_models_are_foreseen_from_two_smaller_sizes(model: str) -> None:
    """The recorded peaks of each model: what 1,000 and 3,000 cells tell of 10,000."""
    sizes = json.loads(SCALING.read_text())["models"][model]["sizes"]
    peaks = {size["n_cells"]: size["peak_memory_mib"] * MIB for size in sizes}
    points = [SizedFigure(cells * PER_CELL, peaks[cells]) for cells in (1_000, 3_000)]
    found = at_size(points, 10_000 * PER_CELL, base=128 * MIB)
    assert 0.6 < found.value / peaks[10_000] < 1.25
    alone = at_size(points[1:], 10_000 * PER_CELL, base=128 * MIB)
    assert alone.value > 0.7 * peaks[10_000], "one size foresees too much rather than too little"


def test_sizes_that_hardly_differ_are_one_size() -> None:
    runs = [past(job(10_000), 2.0), past(job(10_100), 1.0), past(job(10_200), 2.1)]
    assert expected_gib(runs, job(20_400)) == pytest.approx(0.125 + 2 * 1.975)


def test_more_data_never_need_less_than_was_seen() -> None:
    falling = [past(job(1_000), 3), past(job(10_000), 2)]
    assert expected_gib(falling, job(20_000)) == pytest.approx(3)
    outlier = [past(job(1_000), 1), past(job(5_000), 9), past(job(10_000), 2)]
    assert expected_gib(outlier, job(10_000)) >= 9


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**13)), min_size=1, max_size=12),
    st.integers(0, 10**13),
    st.integers(0, 10**9),
)
def test_bounds_hold_for_any_history(
    measured: list[tuple[int, int]], size: int, least: int
) -> None:
    points = [SizedFigure(*pair) for pair in measured]
    found = at_size(points, size, base=1000.0, least=float(least))
    slack = 1e-6 * max(1.0, abs(found.value))
    assert found.value >= least - slack
    assert found.low <= found.value + slack
    assert found.value <= found.high + slack
    if size >= max(point.size for point in points):
        assert found.value >= max(point.value for point in points) - slack


# Out of memory


def test_a_run_that_ran_out_is_a_lower_bound() -> None:
    runs = [exhausted(job(10_000), 4)]
    estimate = Expectations(runs).memory(job(10_000))
    assert estimate is not None
    assert (estimate.known, estimate.high, estimate.runs) == (Known.AT_LEAST, None, 1)
    assert estimate.low == 4 * GIB
    warning = Expectations(runs).warning(job(10_000)) or ""
    assert "the last run of mofa on 10,000 cells ran out of 4.0 GiB, and it has 4.0 GiB" in warning
    assert Expectations(runs).warning(job(10_000, memory=5 * GIB)) is None


def test_on_more_data_a_lower_bound_grows() -> None:
    expectations = Expectations([exhausted(job(10_000), 4)])
    warning = expectations.warning(job(30_000, memory=8 * GIB)) or ""
    assert "ran out of 4.0 GiB, so at least 11.8 GiB are expected on 30,000" in warning
    assert expectations.warning(job(30_000, memory=12 * GIB)) is None
    assert "and there are 99,000 now" in (expectations.warning(job(99_000)) or "")
    assert expectations.memory(job(5_000)) is None, "on less data it says nothing"


def test_a_later_completed_run_settles_what_is_needed() -> None:
    short = exhausted(job(10_000), 2)
    assert expected_gib([short, past(job(10_000), 2.5)], job(10_000)) == pytest.approx(2.5)
    enough = past(job(10_000), 1.8, memory_limit=2 * GIB, finished_at="2026-02-01T00:00:00+00:00")
    assert expected_gib([short, enough], job(10_000)) == pytest.approx(1.8)
    before = enough.model_copy(update={"finished_at": "2025-02-01T00:00:00+00:00"})
    assert expected_gib([before, short], job(10_000)) == pytest.approx(2)
    # Sampling may miss a short peak: with more memory it came through, at less than ran out.
    missed = past(job(10_000), 1.8, memory_limit=8 * GIB, finished_at="2026-02-01T00:00:00+00:00")
    assert "will probably" in (
        Expectations([short, missed]).warning(job(10_000, memory=2 * GIB)) or ""
    )


def test_a_bound_beside_a_line_is_not_scaled() -> None:
    runs = [past(job(1_000), 0.50), past(job(3_000), 0.52), exhausted(job(10_000), 1)]
    assert expected_gib(runs, job(30_000)) == pytest.approx(1)


# Which runs count


def test_the_most_alike_runs_count() -> None:
    other = job(parameters={"n_factors": 99})
    same = past(job(), 1, model_version="0.9.0")
    exact = past(job(), 2)
    different = past(other, 3)
    assert expected_gib([different], job()) == pytest.approx(3)
    assert expected_gib([same, different], job()) == pytest.approx(1)
    assert expected_gib([exact, same, different], job()) == pytest.approx(2)
    assert expected_gib([exact, same, different], other) == pytest.approx(3)
    old = past(job(parameters={"n_factors": 7}), 5, model_version="0.1.0")
    assert expected_gib([old, different], job()) == pytest.approx(3), "the version decides next"


def test_other_models_and_devices_say_nothing() -> None:
    runs = [past(job(model="pca"), 1), past(job(), 1, device="cuda")]
    assert Expectations(runs).memory(job()) is None
    assert Expectations(runs).seconds(job()) is None
    on_gpu = replace(job(), device="cuda:1")
    assert expected_gib(runs, on_gpu) == pytest.approx(1)


def test_memory_follows_the_counts_and_time_the_cells() -> None:
    rna = past(job(10_000), 1.125, seconds=105)
    dense = replace(job(10_000), dataset=dataset(10_000, "dense", rna=3 * 10_000 * PER_CELL))
    assert expected_gib([rna], dense) == pytest.approx(3.125)
    assert Expectations([rna]).seconds(dense) == pytest.approx(105)
    warning = Expectations([rna]).warning(replace(dense, limits=Limits(1, 2 * GIB))) or ""
    assert "so about 3.1 GiB are expected for its 30,000,000 counts" in warning


# Time and order


def test_seconds_grow_with_cells() -> None:
    runs = [past(job(10_000), seconds=105)]
    assert Expectations(runs).seconds(job(10_000)) == pytest.approx(105)
    assert Expectations(runs).seconds(job(20_000)) == pytest.approx(205)
    assert Expectations(runs).seconds(job(5_000)) == pytest.approx(105)
    runs += [past(job(5_000), seconds=55)]
    assert Expectations(runs).seconds(job(20_000)) == pytest.approx(205)
    assert Expectations(runs).seconds(job(7_500)) == pytest.approx(80)


def test_seconds_of_runs_with_as_many_cpus_come_first_and_failures_have_none() -> None:
    runs = [past(job(), seconds=50, cpus=4.0), past(job(), seconds=200), exhausted(job(), 1)]
    assert Expectations(runs).seconds(job()) == pytest.approx(200)
    assert Expectations(runs[:1]).seconds(job()) == pytest.approx(50)
    assert Expectations(runs[2:]).seconds(job()) is None


def test_longest_first_unknown_before_and_otherwise_as_given() -> None:
    short, long, unknown = job(1_000), job(10_000), job(5_000, model="pca")
    runs = [past(short, seconds=10), past(long, seconds=100)]
    seeds = [replace(one, seed=seed) for seed in (0, 1) for one in (short, unknown, long)]
    ordered = Expectations(runs).order(seeds)
    assert [(one.model.name, one.dataset.n_obs, one.seed) for one in ordered] == [
        ("pca", 5_000, 0),
        ("pca", 5_000, 1),
        ("mofa", 10_000, 0),
        ("mofa", 10_000, 1),
        ("mofa", 1_000, 0),
        ("mofa", 1_000, 1),
    ]
    assert Expectations([]).order(seeds) == seeds


def test_jobs_that_differ_in_their_seed_have_one_warning() -> None:
    expectations = Expectations([past(job(10_000), 2.1)])
    warnings = {expectations.warning(replace(job(30_000), seed=seed)) for seed in range(5)}
    assert len(warnings) == 1


def test_a_time_drawn_from_far_fewer_cells_is_an_upper_limit() -> None:
    """Runs on 130 and 240 cells say little of one on 7,000: what grows levels off."""
    runs = [past(job(130), seconds=12), past(job(240), seconds=18)]
    near, far = (Expectations(runs).time(job(size)) for size in (700, 7_000))
    assert near is not None
    assert far is not None
    assert (near.known, far.known) == (Known.ABOUT, Known.AT_MOST)
    assert far.low == 18
    assert far.high == pytest.approx(far.expected, rel=0.2)
    assert "at the most on 7,000" in far.words
