"""Derivative: the slope by least squares, per second."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tables import derivative
from tests.tables.bench import Bench, Event, exact

NOW = 1_700_000_000_000


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the slope in rational arithmetic, as the nearest float."""
    points = [(event.time, exact(float(event.value))) for event in events if event.value is not None]
    n, times, values = len(points), sum(t for t, _ in points), sum(x for _, x in points)
    squares = n * sum(t * t for t, _ in points) - times**2
    return float(1000 * Fraction(n * sum(t * x for t, x in points) - times * values) / squares) if squares else None


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed: of rounding the greatest value, over the shortest distance, in seconds."""
    return 1e-12 * 1000 * max((abs(float(event.value)) for event in events if event.value is not None), default=0)


def drift(events: list[Any]) -> float:
    """Return how far two ways of computing may be apart."""
    return error(None, events)


@pytest.mark.parametrize("cuts", [(), range(0, 3000, 7), (1, 2)])
def test_a_small_slope_is_found_on_a_great_value(cuts: Any) -> None:
    """Rule: 0.25 per second on top of a billion, at times of this century, is found to 6 digits; noise averages out."""
    rng = random.Random(1)  # noqa: S311 - test data
    times = [rng.randrange(60_000) for _ in range(3000)]
    rows = [Event(0, 1e9 + 0.25 * time / 1000, NOW + time) for time in times]
    rows += [Event(1, 5 - 2 * time / 1000 + rng.gauss(0, 1), NOW + time) for time in times]
    got = Bench(derivative("x"), "float").fold(rows, cuts).results()
    assert got[0] == pytest.approx(0.25, rel=1e-6)
    noisy = rows[3000:]
    known = np.polyfit([(row.time - NOW) / 1000 for row in noisy], [row.value for row in noisy], 1)[0]
    assert got[1] == pytest.approx(known, rel=1e-9)


def test_one_time_has_no_slope() -> None:
    """Rule: however many values there are of one time, the slope is null."""
    rows = [Event(0, value / 3, NOW) for value in range(10)] + [Event(1, 1.0, NOW), Event(1, 2.0, NOW + 500)]
    assert Bench(derivative("x"), "float").fold(rows, (3, 5, 11)).results() == [None, pytest.approx(2.0), None, None]
