"""Delta: the last value less the first."""

from __future__ import annotations

import math
from typing import Any

from tables import delta
from tests.tables.bench import Bench, Event


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the difference of the ends of the sorted values."""
    places = sorted((event.time, event.offset, float(event.value)) for event in events if event.value is not None)
    change = places[-1][2] - places[0][2] if len(places) > 1 else math.inf
    return change if math.isfinite(change) else None


def test_event_time_decides_not_arrival() -> None:
    """Rule: rows count by time and then offset; of one value there is no difference."""
    rows = [Event(0, 10, 30, 1), Event(0, 4, 10, 2), Event(0, 99, 20, 3), Event(0, 5, 10, 4), Event(1, 3)]
    for cuts in ((), (1, 2, 3)):
        assert Bench(delta("x"), "int").fold(rows, cuts).results() == [6.0, None, None, None]


def test_a_difference_that_overflows_is_null() -> None:
    """Rule: beyond 1.8e308 it is null."""
    assert Bench(delta("x"), "float").fold([Event(0, -1.7e308, 1), Event(0, 1.7e308, 2)]).results()[0] is None
