"""Rate: the increase per second between the samples."""

from __future__ import annotations

from typing import Any

from tables import rate
from tests.tables.aggregates import test_increase
from tests.tables.bench import WINDOW, Bench, Event


def oracle(aggregate: Any, events: list[Any], window: tuple[int, int] = WINDOW) -> float | None:
    """Return the increase by the seconds between the first and the last sample, extrapolated by those of the window."""
    risen, samples = test_increase.oracle(aggregate, events, window), test_increase.samples(events)
    if risen is not None and aggregate.extrapolate:
        return risen / ((window[1] - window[0]) / 1000)
    return None if risen is None else risen / ((samples[-1][0] - samples[0][0]) / 1000)


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed: that of the increase, over 1 ms."""
    return 1000 * test_increase.error(None, events)


def test_it_is_per_second_between_samples() -> None:
    """Rule: 30 in 15 s are 2 per second, whatever the window's length; a counter that stands still has rate 0."""
    rows = [Event(0, 100, 7_000), Event(0, 110, 15_000), Event(0, 20, 22_000), Event(1, 5, 0), Event(1, 5, 9)]
    assert Bench(rate("x"), "int").fold(rows, (1,)).results() == [2.0, 0.0, None, None]
