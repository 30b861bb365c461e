"""Quantile: a DDSketch, within 1 % of the exact quantile."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from tables import quantile
from tables.aggregates.sketch import MAX_BUCKETS, midpoints, ordinals
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> float | None:
    """Return the exact quantile: the value at rank floor(q (n - 1))."""
    values = sorted(event.value for event in events if event.value is not None)
    return float(values[math.floor(aggregate.q * (len(values) - 1))]) if values else None


def error(want: float, _: list[Any]) -> float:
    """Return the error that is promised; below the least normal float all is 0."""
    return max(0.01 * abs(want), 2.3e-308)


SHAPES = {
    "latency": lambda rng: rng.lognormvariate(3, 1),
    "uniform": lambda rng: rng.uniform(-50, 100),
    "tail": lambda rng: rng.paretovariate(1.1) * rng.choice((1, 1, -1)),
    "zeros": lambda rng: rng.choice((0.0, 0.0, -3.5, 8.25)),
}


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_the_known_library(shape: str, q: float) -> None:
    """Rule: it is within 1 % of the exact quantile, so within 2 % of the ddsketch library's at 1 %."""
    rng = random.Random(shape)  # noqa: S311 - test data
    values = [SHAPES[shape](rng) for _ in range(5000)]
    library = DDSketch(0.01)
    for value in values:
        library.add(value)
    exact = sorted(values)[math.floor(q * 4999)]
    cuts = [rng.randrange(5000) for _ in range(20)]
    got = Bench(quantile(q, "x"), "float", cells=1).fold([Event(0, value) for value in values], cuts).results()[0]
    assert abs(got - exact) <= 0.01 * abs(exact)
    assert abs(got - library.get_quantile_value(q)) <= 0.0201 * abs(exact)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_bucket_stands_for_its_values(value: float) -> None:
    """Rule: the midpoint of a value's bucket is within 1 % of it, over the whole range of floats."""
    got = float(midpoints(ordinals(np.array([value])))[0])
    assert abs(got - value) <= max(0.01 * abs(value), 2.3e-308)
    assert math.copysign(1, got) == math.copysign(1, value) or got == 0


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_buckets_sort_as_their_values_do(one: float, other: float) -> None:
    """Rule: a greater value never falls into a lower bucket."""
    low, high = ordinals(np.array(sorted((one, other)))).tolist()
    assert 0 < low <= high < 2**18


def test_buckets_are_bounded_and_high_quantiles_exact() -> None:
    """Rule: a cell keeps at most 2048 buckets; quantiles within the highest 2048 keep their bound, in any batches."""
    values = [1.03**power for power in range(-1500, 1500)]
    random.Random(1).shuffle(values)  # noqa: S311 - test data
    rows = [Event(0, value) for value in values] + [Event(1, 5.0)]
    benches = [
        Bench(quantile(0.6, "x"), "float").fold(rows, cuts) for cuts in ((), (10, 1000, 2222, 2223), range(0, 3000, 97))
    ]
    halves = (
        Bench(quantile(0.6, "x"), "float").fold(rows[:900]).merge(Bench(quantile(0.6, "x"), "float").fold(rows[900:]))
    )
    states = {tuple(each.state.encode(each.rows, 0)) for each in [*benches, halves]}
    assert len(states) == 1
    buckets = benches[0].state.of("a")["buckets"]
    assert buckets.lengths(benches[0].rows).tolist() == [MAX_BUCKETS, 1, 0, 0]
    exact = sorted(values)[math.floor(0.6 * 2999)]
    assert abs(benches[0].results()[0] - exact) <= 0.01 * exact


def test_counts_exceed_32_bits() -> None:
    """Rule: a cell counts beyond 2^32 values; doubling by merging changes no quantile."""
    rows = [Event(0, value) for value in range(1, 101)]
    total = Bench(quantile(0.5, "x"), "int", cells=1).fold(rows)
    for _ in range(34):
        other = Bench(quantile(0.5, "x"), "int", cells=0)
        other.rows, _ = other.state.decode(total.state.encode(total.rows, 0))
        total.merge(other)
    assert abs(total.results()[0] - 50) <= 0.5


@pytest.mark.parametrize(
    ("q", "message"),
    [
        (95, r"not 95; did you mean 0\.95\?"),
        (-0.1, r"quantile\(0\.95"),
        ("0.9", "not '0.9'"),
        (True, "not True"),
        (math.nan, "not nan"),
    ],
)
def test_q_is_a_number_from_0_to_1(q: Any, message: str) -> None:
    """Rule: anything but a number from 0 to 1 is refused with a hint."""
    with pytest.raises(ValueError, match=message):
        quantile(q, "x")


def test_quantile_reads_as_it_is_written() -> None:
    """Rule: q comes first, as it is declared."""
    assert quantile(0.95, "x", where="y > 1").describe() == 'quantile(0.95, "x", where="y > 1")'
    assert quantile(1, "x") == quantile(1.0, "x") != quantile(0.5, "x")
