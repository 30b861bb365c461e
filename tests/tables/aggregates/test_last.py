"""Last: by event time, then offset, whatever the value is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tables import last
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any], sign: int = 1) -> Any:
    """Return the value of the event that sorts last; with sign -1 of the one that sorts first."""
    seen = [event for event in events if event.value is not None]
    orders = ("time", "offset") if aggregate.by == "time" else ("offset", "time")

    def place(event: Any) -> Any:
        return [sign * getattr(event, order) for order in orders]

    last = max(map(place, seen), default=None)
    return max((event.value for event in seen if place(event) == last), key=text, default=None)


def text(value: Any) -> bytes:
    """Return what values of one time and offset sort by."""
    import msgspec  # noqa: PLC0415 - shortest float text differs from json's in exponents

    return msgspec.json.encode(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).encode()


def test_event_time_decides_not_arrival() -> None:
    """Rule: a late record does not replace a newer value; of one time the greater offset counts."""
    rows = [Event(0, "new", 20, 1), Event(0, "old", 10, 2), Event(1, "first", 5, 3), Event(1, "second", 5, 4)]
    for cuts in ((), (1, 2, 3)):
        assert Bench(last("x"), "text").fold(rows, cuts).results() == ["new", "second", None, None]


def test_arrival_decides_where_it_is_asked_for() -> None:
    """Rule: by offset the row that was read last counts, whatever its time; another order is refused."""
    rows = [Event(0, "new", 20, 1), Event(0, "old", 10, 2), Event(1, "a", 1, 3), Event(1, "b", 2, 3)]
    assert Bench(last("x", by="offset"), "text").fold(rows, (1,)).results() == ["old", "b", None, None]
    assert last("x", by="offset").describe() == 'last("x", by="offset")'
    with pytest.raises(ValueError, match="`by` of last"):
        last("x", by="arrival")  # type: ignore[arg-type]


def test_null_is_not_a_value() -> None:
    """Rule: a later null does not hide the last value that was there."""
    assert Bench(last("x"), "int").fold([Event(0, 7, 1, 1), Event(0, None, 2, 2)]).results()[0] == 7


@pytest.mark.parametrize("value", [True, False, 0, 10**30, 1.5, "", "é\u0000", [1, {"a": None}], {"b": [2.5]}])
def test_any_json_value_survives(value: Any) -> None:
    """Rule: whatever JSON holds comes back from the changelog as it was, and of the same type."""
    kept = Bench(last("x"), "any").fold([Event(2, value, 1, 1)])
    again = Bench(last("x"), "any", cells=0)
    again.rows, _ = again.state.decode(kept.state.encode(kept.rows, 1))
    assert again.results() == [None, None, value, None]
    assert type(again.results()[2]) is type(value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int", [1, None]),
        ("float", [1.5, None]),
        ("mixed", [1, 2.5]),
        ("text", ["a", None]),
        ("bool", [True, None]),
        ("any", [1, "a"]),
    ],
)
def test_the_result_is_of_the_narrowest_kind(kind: str, values: list[Any]) -> None:
    """Rule: what conditions are evaluated on has the kind of the values, whatever was declared."""
    kept = Bench(last("x"), "any", cells=2).fold([Event(cell, value, 1, 1) for cell, value in enumerate(values)])
    column = kept.aggregate.result(kept.state.of("a"), kept.rows)
    assert (column.kind, column.tolist()) == (kind, values)
