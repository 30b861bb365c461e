"""Ratio: the share of rows that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.expr import ExpressionError, call
from tables import ratio
from tables.aggregates.base import Fold
from tests.tables.bench import Bench, Event, column


def oracle(_: Any, events: list[Any]) -> float | None:
    """Return how many hold by how many there are."""
    seen = [event.value for event in events if event.value is not None]
    return sum(seen) / len(seen) if seen else None


def test_it_is_the_share_of_what_is_not_null() -> None:
    """Rule: nulls are left out of both counts; of nothing it is null."""
    rows = [Event(0, value) for value in (True, False, None, False, False)] + [Event(1, None)]
    assert Bench(ratio("x"), "bool").fold(rows, (2,)).results() == [0.25, None, None, None]


def test_only_a_condition_has_a_share() -> None:
    """Rule: a declaration with a number is refused, and so is a column of numbers."""
    assert call('ratio("status >= 500", where="size > 0")') == ratio("status >= 500", where="size > 0")
    with pytest.raises(ExpressionError, match="in `of`"):
        call('ratio("status + 1")')
    bench, zero = Bench(ratio("x"), "int", cells=1), np.zeros(1, np.int64)
    with pytest.raises(TypeError, match="not int"):
        bench.aggregate.fold(bench.state.of("a"), Fold(bench.rows, zero, column("int", [1]), zero, zero))
