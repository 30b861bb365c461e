"""Stddev: of the population, without cancellation."""

from __future__ import annotations

import math
import random
import statistics
from fractions import Fraction
from typing import Any

import pytest

from tables import stddev
from tests.tables.bench import Bench, Event, exact


def square(events: list[Any]) -> Fraction | None:
    """Return the exact variance of the values as floats."""
    values = [exact(float(event.value)) for event in events if event.value is not None]
    n = len(values)
    return Fraction(n * sum(value * value for value in values) - sum(values) ** 2) / n**2 if values else None


def root(value: Fraction) -> float:
    """Return the square root, also of what no float holds."""
    shift = max(0, value.numerator.bit_length() - value.denominator.bit_length() - 900) // 2
    return math.ldexp(math.sqrt(value / 4**shift), shift)


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return the exact standard deviation as a float."""
    exact = square(events)
    return None if exact is None else root(exact)


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed: of rounding the greatest value."""
    return 1e-13 * max((abs(float(event.value)) for event in events if event.value is not None), default=0) + 1e-150


def drift(events: list[Any]) -> float:
    """Return how far two ways of computing may be apart."""
    return error(None, events)


@pytest.mark.parametrize("cuts", [(), range(0, 1000, 7), range(1000)])
def test_a_great_mean_does_not_drown_a_small_deviation(cuts: Any) -> None:
    """Rule: around a billion a deviation of 0.001 is found to 4 digits, in whatever batches."""
    rng = random.Random(1)  # noqa: S311 - test data
    values = [1e9 + rng.gauss(0, 1e-3) for _ in range(1000)]
    got = Bench(stddev("x"), "float").fold([Event(0, value) for value in values], cuts).results()[0]
    assert got == pytest.approx(statistics.pstdev(values), rel=1e-4)


def test_great_values_do_not_overflow() -> None:
    """Rule: squares beyond 1.8e308 are never computed; of one value it is 0."""
    rows = [Event(0, 1e300), Event(0, -1e300), Event(1, 1e300), Event(2, 1e-3), Event(2, 3e-3)]
    assert Bench(stddev("x"), "float").fold(rows, (1, 2)).results() == pytest.approx([1e300, 0.0, 1e-3, None])
    assert Bench(stddev("x"), "float").fold(rows).results() == pytest.approx([1e300, 0.0, 1e-3, None])
