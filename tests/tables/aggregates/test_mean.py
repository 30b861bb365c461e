"""Mean: the sum by the number of values."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tables import mean
from tests.tables.bench import Bench, Event, exact


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the mean in rational arithmetic, as the nearest float."""
    values = [exact(event.value) for event in events if event.value is not None]
    return float(Fraction(sum(values)) / len(values)) if values else None


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed to a mean."""
    values = [event.value for event in events if event.value is not None]
    return 1e-12 * math.fsum(map(abs, values)) / max(1, len(values))


def drift(events: list[Any]) -> float:
    """Return how far two ways of averaging may be apart."""
    return error(None, events)


def test_mean_of_great_integers_does_not_overflow() -> None:
    """Rule: the mean of the greatest 64-bit integers is that integer, as a float."""
    rows = [Event(0, 2**63 - 1)] * 9 + [Event(1, 1), Event(1, 2)]
    assert Bench(mean("x"), "int").fold(rows, (3, 10)).results() == [float(2**63 - 1), 1.5, None, None]


def test_a_mean_that_overflows_is_null() -> None:
    """Rule: where the sum is beyond 1.8e308 the mean is null."""
    assert Bench(mean("x"), "float").fold([Event(0, 1.7e308), Event(0, 1.7e308)]).results()[0] is None
