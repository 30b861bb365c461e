"""Min_by: the value where another number is least."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tables import min_by
from tables.aggregates.base import Fold
from tests.tables.aggregates.test_last import text
from tests.tables.bench import Bench, Event, column


def oracle(_: Any, events: list[Any]) -> Any:
    """Return the value of the event with the least number, of several the last."""
    seen = [event for event in events if event.value is not None and event.by is not None]

    def place(event: Any) -> Any:
        return -event.by, event.time, event.offset, text(event.value)

    return max(seen, key=place).value if seen else None


def test_the_extreme_decides_then_time() -> None:
    """Rule: the row with the least number counts, of equal numbers the latest; rows with a null do not."""
    best = [Event(0, "a", 1, 1, -9.5), Event(0, "b", 2, 2, 1)]
    tied = [Event(1, "late", 2, 1, 3), Event(1, "early", 1, 2, 3)]
    nulls = [Event(0, None, 3, 3, -99), Event(2, "c", 1, 1, None)]
    for cuts in ((), (1, 2, 3, 4)):
        assert Bench(min_by("x", "y"), "text").fold([*best, *tied, *nulls], cuts).results() == ["a", "late", None, None]


def test_it_needs_a_number_to_choose_by() -> None:
    """Rule: without `by` it cannot be declared, and with other values than numbers it cannot be folded."""
    with pytest.raises(ValueError, match="needs what to choose by"):
        min_by("x", None)  # type: ignore[arg-type]
    bench, zero = Bench(min_by("x", "y"), "int", cells=1), np.zeros(1, np.int64)
    wrong = Fold(bench.rows, zero, column("int", [1]), zero, zero, column("text", ["1"]))
    with pytest.raises(TypeError, match="not text"):
        bench.aggregate.fold(bench.state.of("a"), wrong)


def test_it_reads_as_it_is_written() -> None:
    """Rule: both expressions come in the order in which they are declared."""
    assert min_by("x", "y", where="z").describe() == 'min_by("x", "y", where="z")'
