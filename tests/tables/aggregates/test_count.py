"""Count: rows, or values that are not null."""

from __future__ import annotations

from typing import Any

from tables import count
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> int:
    """Return how many events there are, or have a value."""
    return len([event for event in events if aggregate.of is None or event.value is not None])


def test_count_of_nothing_is_zero() -> None:
    """Rule: the count of nothing is 0, not null."""
    assert Bench(count(), "int").results() == [0, 0, 0, 0]


def test_an_overflown_number_is_no_value() -> None:
    """Rule: a derived number that overflowed counts as null."""
    rows = [Event(0, 1.5), Event(0, float("inf")), Event(0, float("nan"))]
    assert Bench(count("x"), "float").fold(rows).results()[0] == 1
    assert Bench(count(), "float").fold(rows).results()[0] == 3


def test_count_reads_as_it_is_written() -> None:
    """Rule: an aggregate describes itself as the call that declares it, with quotes escaped."""
    assert count().describe() == "count()"
    assert count("user", where='path == "/a\\b"').describe() == 'count("user", where="path == \\"/a\\\\b\\"")'
