"""Histogram: counts in fixed buckets."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from streams.expr import call
from tables import histogram
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> dict[str, int]:
    """Return how many values lie above one bound and up to the next."""
    values = [event.value for event in events if event.value is not None]
    edges = pairwise((-math.inf, *aggregate.bounds, math.inf))
    counts = [sum(low < value <= high for value in values) for low, high in edges]
    return dict(zip([f"{bound:g}" for bound in aggregate.bounds] + ["+Inf"], counts, strict=True))


def test_a_bound_belongs_to_the_bucket_below() -> None:
    """Rule: a bucket includes its upper bound, as in Prometheus; of nothing all are 0."""
    rows = [Event(0, value) for value in (0.1, 0.10001, 0.5, -3.0, 1e300)]
    got = Bench(histogram([0.1, 0.5], "x"), "float", cells=2).fold(rows, (2,)).results()
    assert got == [{"0.1": 2, "0.5": 2, "+Inf": 1}, {"0.1": 0, "0.5": 0, "+Inf": 0}]


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0), ("1",), 5, (math.inf,), (True,)])
def test_bounds_rise(bounds: Any) -> None:
    """Rule: anything but rising finite numbers is refused with an example."""
    with pytest.raises(ValueError, match=r"histogram\(\[0\.1, 0\.5, 1\]"):
        histogram(bounds, "x")


def test_it_reads_as_it_is_written() -> None:
    """Rule: the bounds come first, as a list, and read back as the equal aggregate."""
    made = histogram([0.1, 2], "x", where="y")
    assert made.describe() == 'histogram([0.1, 2.0], "x", where="y")'
    assert call(made.describe()) == made == histogram((0.1, 2.0), "x", where="y")
