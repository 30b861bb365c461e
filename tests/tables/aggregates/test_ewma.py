"""Ewma: newer values weigh more."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tables import ewma
from tables.durations import parse
from tests.tables.bench import Bench, Event

NOW = 1_700_000_000_000


def oracle(aggregate: Any, events: list[Any]) -> float | None:
    """Return the weighted mean, computed from the newest value on."""
    seen = [event for event in events if event.value is not None]
    newest = max((event.time for event in seen), default=0)
    weights = [Fraction(2.0 ** ((event.time - newest) / parse(aggregate.half_life))) for event in seen]
    total = sum(weight * Fraction(event.value) for weight, event in zip(weights, seen, strict=True))
    return float(total / sum(weights)) if seen else None


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed."""
    return 1e-14 * max((abs(event.value) for event in events if event.value is not None), default=0)


def drift(events: list[Any]) -> float:
    """Return how far two ways of averaging may be apart."""
    return 2 * error(None, events)


def test_a_value_counts_half_after_the_half_life() -> None:
    """Rule: with 0 now and 3 one half-life ago the mean is 1, in whichever order they come."""
    for order in (1, -1):
        rows = [Event(0, 3, NOW), Event(0, 0, NOW + 60_000)][::order]
        for cuts in ((), (1,)):
            assert Bench(ewma("x", "1m"), "int").fold(rows, cuts).results() == [1.0, None, None, None]


def test_what_is_very_old_vanishes_and_nothing_overflows() -> None:
    """Rule: a million half-lives later only the new value counts, and an old one that comes late does not."""
    rows = [Event(0, 1e9, NOW - 10**9), Event(0, 2.0, NOW), Event(0, 5e9, NOW - 10**9)]
    assert Bench(ewma("x", "1ms"), "float").fold(rows, (1, 2)).results()[0] == 2.0


def test_the_half_life_is_a_duration() -> None:
    """Rule: a bare number and nothing are refused; it reads as it is written."""
    for wrong in ("5", "0s", 5):
        with pytest.raises(ValueError, match=r"half_life|duration"):
            ewma("x", wrong)  # type: ignore[arg-type]
    assert ewma("x", half_life="5m", where="y").describe() == 'ewma("x", "5m", where="y")'
