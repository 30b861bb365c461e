"""Variance: of the population, without cancellation."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tables import variance
from tests.tables.aggregates import test_stddev
from tests.tables.bench import Bench, Event


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the exact variance as a float; None beyond the range of floats."""
    exact = test_stddev.square(events)
    try:
        return None if exact is None else float(exact)
    except OverflowError:
        return None


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed: the square of a standard deviation within its own error."""
    apart = test_stddev.error(None, events)
    deviation = test_stddev.oracle(None, events) or 0.0
    return 2 * deviation * apart + apart * apart + 1e-300


def drift(events: list[Any]) -> float:
    """Return how far two ways of computing may be apart."""
    return error(None, events)


def test_it_is_that_of_the_population() -> None:
    """Rule: the sum of squares is divided by n, not by n - 1; of one value it is 0."""
    rows = [Event(0, value) for value in (2, 4, 4, 4, 5, 5, 7, 9)] + [Event(1, 3)]
    assert Bench(variance("x"), "int").fold(rows, (3,)).results() == [pytest.approx(4.0), 0.0, None, None]


def test_a_variance_that_overflows_is_null() -> None:
    """Rule: beyond 1.8e308 it is null; just below it is there."""
    rows = [Event(0, 1e155), Event(0, -1e155), Event(1, 1e153), Event(1, -1e153)]
    got = Bench(variance("x"), "float").fold(rows).results()
    assert got[0] is None
    assert math.isclose(got[1], 1e306)
