"""Increase: of a counter, resets handled as in PromQL."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tables import increase
from tables.aggregates.counters import KEPT, MAX_SAMPLES
from tests.tables.bench import Bench, Event


def samples(events: list[Any]) -> list[tuple[int, float]]:
    """Return the samples in the order of time; of one time the greatest."""
    found: dict[int, float] = {}
    for event in events:
        if event.value is not None:
            found[event.time] = max(found.get(event.time, -math.inf), float(event.value))
    return sorted(found.items())


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the increase as Prometheus' source computes it, before it is extrapolated."""
    values = [value for _, value in samples(events)]
    if len(values) < 2:
        return None
    total = values[-1] - values[0]
    previous = values[0]
    for value in values[1:]:
        if value < previous:
            total += previous
        previous = value
    return total


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed to a sum."""
    return 1e-12 * math.fsum(abs(float(event.value)) for event in events if event.value is not None)


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


def test_times_may_be_far_apart() -> None:
    """Rule: samples sort by time over the whole range of 64 bits."""
    rows = [Event(1, 5, 2**61), Event(0, 4, 2**61), Event(0, 1, -(2**61)), Event(1, 2, 0)]
    assert Bench(increase("x"), "int").fold(rows, (1,)).results() == [3.0, 3.0, None, None]
