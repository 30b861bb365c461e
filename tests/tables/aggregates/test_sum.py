"""Sum: exact for integers, independent of batches for floats."""

from __future__ import annotations

import math
import random
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import sum as sum_
from tables.aggregates.sums import float_sums, integer_sums, total
from tests.tables.bench import Bench, Event


def oracle(_: Any, events: list[Any]) -> int | float:
    """Return the sum in arbitrary precision; a float if a value was one."""
    values = [event.value for event in events if event.value is not None]
    return math.fsum(values) if any(type(value) is float for value in values) else sum(values)


def error(_: Any, events: list[Any]) -> float:
    """Return the error that is allowed to a sum of floats."""
    values = [event.value for event in events if event.value is not None]
    return 1e-12 * math.fsum(map(abs, values)) if any(type(value) is float for value in values) else 0


def drift(events: list[Any]) -> float:
    """Return how far two ways of summing may be apart."""
    return error(None, events)


def test_integers_stay_exact_beyond_64_bits() -> None:
    """Rule: an integer sum neither overflows nor becomes a float, whichever batches it comes in."""
    most, least = 2**63 - 1, -(2**63)
    rows = [Event(0, most)] * 1000 + [Event(1, least)] * 1000 + [Event(2, 5), Event(3, most), Event(3, 1), Event(3, -1)]
    want = [1000 * most, 1000 * least, 5, most]
    for cuts in ((), range(0, 2004, 7)):
        assert Bench(sum_("x"), "int").fold(rows, cuts).results() == want


def test_a_sum_reaches_two_to_the_hundred() -> None:
    """Rule: merging keeps integers exact up to 2^100 and beyond, on both sides of zero."""
    rows = [Event(0, 2**62), Event(1, -(2**62)), Event(2, 1)]
    total = Bench(sum_("x"), "int").fold(rows)
    for _ in range(45):
        total.merge(total)
    assert total.results() == [2**107, -(2**107), 2**45, 0]


def test_one_float_makes_a_float_of_the_sum() -> None:
    """Rule: a sum is a float as soon as one folded value was written as one, even 0.0, row by row."""
    rows = [Event(0, 2), Event(0, 3), Event(1, 2), Event(1, 0.0), Event(2, 2.5)]
    results = Bench(sum_("x"), "mixed").fold(rows).results()
    assert results == [5, 2.0, 2.5, 0]
    assert [type(result) for result in results] == [int, float, float, int]


@pytest.mark.parametrize("seed", range(5))
def test_float_sums_have_the_same_bits_for_any_batches(seed: int) -> None:
    """Rule: sums of measured values are fsum's to the last bit, in one batch, one by one, and merged."""
    rng = random.Random(seed)  # noqa: S311 - test data
    values = [round(rng.lognormvariate(0, 4) * rng.choice((1, 1, -1)), 6) for _ in range(3000)]
    rows = [Event(rng.randrange(4), value) for value in values]
    want = [math.fsum(row.value for row in rows if row.cell == cell) for cell in range(4)]
    cuts = [rng.randrange(3000) for _ in range(40)]
    for some in ((), cuts, range(3000)):
        assert Bench(sum_("x"), "float").fold(rows, some).results() == want
    halves = Bench(sum_("x"), "float").fold(rows[:1234]).merge(Bench(sum_("x"), "float").fold(rows[1234:]))
    assert halves.results() == want


def test_what_cancels_is_kept() -> None:
    """Rule: small terms survive great ones that cancel, across batches."""
    rows = [Event(0, 1e16), Event(0, 1.0), Event(0, -1e16), Event(0, 0.1)]
    for cuts in ((), (1, 2, 3)):
        assert Bench(sum_("x"), "float").fold(rows, cuts).results()[0] == 1.1


def test_a_float_sum_that_overflows_is_null() -> None:
    """Rule: beyond 1.8e308 a sum is null, and a value that is not finite is not added."""
    rows = [Event(0, 1.7e308), Event(0, 1.7e308), Event(1, math.inf), Event(1, 2.0)]
    for cuts in ((), (1,)):
        assert Bench(sum_("x"), "float").fold(rows, cuts).results() == [None, 2.0, 0, 0]


def test_a_sum_that_overflows_when_it_is_read_warns_nobody() -> None:
    """Rule: what is not finite is for the reader to see, with integers among the terms or without."""
    great = np.array([sys.float_info.max])
    for whole in (0, 1):
        state = {"high": np.array([whole]), "low": np.zeros(1, np.int64), "real": great, "error": great}
        assert total(state, np.zeros(1, np.intp)).tolist() == [math.inf]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-1e290, 1e290))), st.floats(-1e290, 1e290))
def test_float_sums_of_a_batch_are_those_of_fsum(rows: list[tuple[int, float]], first: float) -> None:
    """Rule: within one batch the pair is fsum's result but for 1e-15 of the sum of the terms' sizes."""
    rows = [(0, first), *rows]
    index, values = np.array([cell for cell, _ in rows]), np.array([value for _, value in rows])
    for cell, got in enumerate(np.add(*float_sums(index, values, 3)).tolist()):
        terms = [value for at, value in rows if at == cell]
        assert abs(got - math.fsum(terms)) <= 1e-15 * math.fsum(map(abs, terms))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_integer_sums_of_a_batch_are_exact(rows: list[tuple[int, int]]) -> None:
    """Rule: the two words hold the exact sum, the low one from 0 to 2^62 - 1."""
    high, low = integer_sums(np.array([cell for cell, _ in rows]), np.array([value for _, value in rows], np.int64), 3)
    for cell in range(3):
        assert 0 <= low[cell] < 2**62
        assert int(high[cell]) * 2**62 + int(low[cell]) == sum(value for at, value in rows if at == cell)


def test_sum_needs_an_expression() -> None:
    """Rule: a sum of nothing in particular is refused, with the fix."""
    with pytest.raises(ValueError, match=r'sum needs what to aggregate; write for example sum\("duration"\)'):
        sum_(None)
