"""Increase: of a counter, resets handled as in PromQL."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import increase, rate
from tables.aggregates.counters import KEPT, MAX_SAMPLES
from tests.tables.bench import WINDOW, Bench, Event


def samples(events: list[Any]) -> list[tuple[int, float]]:
    """Return the samples in the order of time; of one time the greatest."""
    found: dict[int, float] = {}
    for event in events:
        if event.value is not None:
            found[event.time] = max(found.get(event.time, -math.inf), float(event.value))
    return sorted(found.items())


def oracle(aggregate: Any, events: list[Any], window: tuple[int, int] = WINDOW) -> float | None:
    """Return the increase as Prometheus' source computes it; extrapolated if the aggregate says so."""
    points = samples(events)
    if len(points) < 2:
        return None
    result = counted([value for _, value in points])
    return result * factor(points, result, window) if aggregate is not None and aggregate.extrapolate else result


def factor(points: list[tuple[int, float]], result: float, window: tuple[int, int]) -> float:
    """Return what `extrapolatedRate` of Prometheus 3 (promql/functions.go) multiplies the increase by."""
    (first_t, first_v), (last_t, _) = points[0], points[-1]
    duration_to_start = (first_t - window[0]) / 1000
    duration_to_end = (window[1] - last_t) / 1000
    sampled_interval = (last_t - first_t) / 1000
    average_duration_between_samples = sampled_interval / (len(points) - 1)
    extrapolation_threshold = average_duration_between_samples * 1.1
    if duration_to_start >= extrapolation_threshold:
        duration_to_start = average_duration_between_samples / 2
    duration_to_zero = duration_to_start
    if result > 0 and first_v >= 0:
        duration_to_zero = sampled_interval * (first_v / result)
    duration_to_start = min(duration_to_start, duration_to_zero)
    if duration_to_end >= extrapolation_threshold:
        duration_to_end = average_duration_between_samples / 2
    return (sampled_interval + duration_to_start + duration_to_end) / sampled_interval


def counted(values: list[float]) -> float:
    """Return the increase with its resets, in the order of Prometheus' loop."""
    total = values[-1] - values[0]
    previous = values[0]
    for value in values[1:]:
        if value < previous:
            total += previous
        previous = value
    return total


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed to a sum; to extrapolate multiplies it by 3.2 at most."""
    return 4e-12 * math.fsum(abs(float(event.value)) for event in events if event.value is not None)


def counter(rng: random.Random, n: int) -> list[Event]:
    """Return the samples of a counter that often starts again."""
    value, rows = 0, []
    for time in range(n):
        value = rng.randrange(3) if rng.random() < 0.1 else value + rng.randrange(5)
        rows.append(Event(0, value, 1_700_000_000_000 + 1000 * time, time))
    return rows


def test_resets_count_as_in_promql() -> None:
    """Rule: 10 20 5 8 rose by 10 + 5 + 3, in whichever order the rows come; of one sample nothing is known."""
    rows = [Event(0, value, time) for time, value in ((1, 10), (2, 20), (3, 5), (4, 8))] + [Event(1, 3)]
    for order in (1, -1):
        for cuts in ((), (1, 2, 3)):
            assert Bench(increase("x"), "int").fold(rows[::order], cuts).results() == [18.0, None, None, None]


@pytest.mark.parametrize("late", [0, 1, 100])
@pytest.mark.parametrize("cuts", [(), range(0, 5000, 37), range(0, 5000, 2500)])
def test_many_samples_are_condensed_exactly(cuts: Any, late: int) -> None:
    """Rule: a cell keeps at most 512 samples, and the increase is exact while rows are late by fewer than 256."""
    rng = random.Random(late)  # noqa: S311 - test data
    rows = counter(rng, 5000)
    shuffled = sorted(rows, key=lambda row: row.offset + rng.uniform(0, late))
    bench = Bench(increase("x"), "int").fold(shuffled, cuts)
    assert bench.results()[0] == oracle(None, rows)
    assert KEPT < bench.state.of("a")["samples"].lengths(bench.rows)[0] <= MAX_SAMPLES


def test_condensed_panes_merge_exactly() -> None:
    """Rule: panes that follow one another merge to what the whole would be, from either end and in pairs."""
    rows = counter(random.Random(1), 4000)  # noqa: S311 - test data
    want = [oracle(None, rows), None, None, None]

    def part(number: int) -> Bench:
        return Bench(increase("x"), "int").fold(rows[1000 * number : 1000 * (number + 1)])

    assert part(0).merge(part(1)).merge(part(2)).merge(part(3)).results() == want
    assert part(3).merge(part(2)).merge(part(1)).merge(part(0)).results() == want
    assert part(0).merge(part(1)).merge(part(2).merge(part(3))).results() == want


counters = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(first=st.integers(0, 50), steps=counters, before=st.integers(0, 60), after=st.integers(1, 60))
@pytest.mark.parametrize("made", [increase, rate], ids=["increase", "rate"])
def test_it_extrapolates_as_prometheus_does(made: Any, first: int, steps: Any, before: int, after: int) -> None:
    """Rule: to the ends of the window, or by half a distance, never below zero; whatever the counter and its resets."""
    time, value, rows = 1_700_000_000_000, first, []
    for distance, rise, reset in steps:
        rows.append(Event(0, value, time))
        time, value = time + 1000 * distance, rise if reset and rise < 20 else value + rise
    window = (rows[0].time - 1000 * before, rows[-1].time + 1000 * after)
    want = oracle(increase("x", extrapolate=True), rows, window)
    if want is not None and made is rate:
        want /= (window[1] - window[0]) / 1000
    for order in (1, -1):
        got = Bench(made("x", extrapolate=True), "int", 1, window).fold(rows[::order], (3, 9)).results()
        assert got == [want if want is None else pytest.approx(want, rel=1e-12, abs=1e-12)]


@pytest.mark.parametrize(
    ("window", "values", "want"),
    [
        ((0, 60_000), (100, 110, 120, 130, 140, 150), 60.0),
        ((-200_000, 260_000), (100, 110, 120, 130, 140, 150), 60.0),
        ((-5_000, 60_000), (2, 12, 22, 32, 42, 52), 62.0),
        ((-10_900, 60_900), (100, 110, 120, 130, 140, 150), 71.8),
        ((-10_000, 60_000), (100, 110, 5, 15, 25, 35), 63.0),
    ],
    ids=[
        "whole window",
        "far ends: half a distance",
        "no counter was below zero",
        "within 1.1 distances",
        "with a reset",
    ],
)
def test_extrapolation_by_hand(window: tuple[int, int], values: tuple[int, ...], want: float) -> None:
    """Rule: samples each 10 s from second 0 on are extrapolated as one works out by hand."""
    rows = [Event(0, value, 10_000 * number) for number, value in enumerate(values)]
    bench = Bench(increase("x", extrapolate=True), "int", 1, window)
    assert bench.fold(rows).results() == [pytest.approx(want)]


def test_condensed_samples_are_extrapolated_by_all_of_them() -> None:
    """Rule: samples that a cell no longer keeps count in the average distance, also over merged panes."""
    rows = counter(random.Random(5), 4000)  # noqa: S311 - test data
    made, window = increase("x", extrapolate=True), (rows[0].time - 300, rows[-1].time + 1090)
    halves = [Bench(made, "int", 1, window).fold(part, range(0, 2000, 90)) for part in (rows[:2000], rows[2000:])]
    want = oracle(made, rows, window)
    assert halves[0].merge(halves[1]).results() == [pytest.approx(want, rel=1e-12)]
    assert Bench(made, "int", 1, window).fold(rows).results() == [pytest.approx(want, rel=1e-12)]


def test_extrapolate_is_true_or_false() -> None:
    """Rule: anything else is refused."""
    with pytest.raises(ValueError, match="`extrapolate` of increase is true or false, not 1"):
        increase("x", extrapolate=1)  # type: ignore[arg-type] # a mistake


def test_times_may_be_far_apart() -> None:
    """Rule: samples sort by time over the whole range of 64 bits."""
    rows = [Event(1, 5, 2**61), Event(0, 4, 2**61), Event(0, 1, -(2**61)), Event(1, 2, 0)]
    assert Bench(increase("x"), "int").fold(rows, (1,)).results() == [3.0, 3.0, None, None]
