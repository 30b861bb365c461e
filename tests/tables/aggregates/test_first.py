"""First: by event time, then offset, whatever the value is."""

from __future__ import annotations

from typing import Any

from tables import first
from tests.tables.aggregates import test_last
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> Any:
    """Return the value of the event that sorts first."""
    return test_last.oracle(aggregate, events, sign=-1)


def test_event_time_decides_not_arrival() -> None:
    """Rule: a late record replaces a newer value; of one time the least offset counts."""
    rows = [Event(0, "new", 20, 1), Event(0, "old", 10, 2), Event(1, "first", 5, 3), Event(1, "second", 5, 4)]
    for cuts in ((), (1, 2, 3)):
        assert Bench(first("x"), "text").fold(rows, cuts).results() == ["old", "first", None, None]
        assert Bench(first("x", by="offset"), "text").fold(rows, cuts).results()[0] == "new"


def test_null_is_not_a_value() -> None:
    """Rule: an earlier null does not hide the first value that was there."""
    assert Bench(first("x"), "int").fold([Event(0, None, 1, 1), Event(0, 7, 2, 2)]).results()[0] == 7


def test_first_reads_as_it_is_written() -> None:
    """Rule: the default order is not said."""
    assert first("x").describe() == 'first("x")'
    assert first("x", where="y > 1", by="offset").describe() == 'first("x", where="y > 1", by="offset")'
