"""Collect_set: the different values that were seen last."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tables import collect_set
from tables.aggregates.hashes import plain
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> list[Any]:
    """Return the values by when they were seen last."""
    last: dict[bytes, Any] = {}
    for event in sorted(events, key=lambda event: (event.time, event.offset)):
        if event.value is not None:
            value = plain(event.value)
            last[json.dumps(value, ensure_ascii=False).encode()] = (event.time, event.offset, written(value), value)
    return [place[3] for place in sorted(last.values(), key=lambda place: place[:3])][-aggregate.limit :]


def written(value: Any) -> bytes:
    """Return the JSON by which ties end."""
    from tests.tables.aggregates.test_last import text  # noqa: PLC0415 - shortest text of floats

    return text(value)


@pytest.mark.parametrize("cuts", [(), (2,), range(300)])
def test_each_value_is_there_once(cuts: Any) -> None:
    """Rule: equal values are one, whole numbers of either type; the ones seen longest ago are dropped."""
    rows = [Event(0, time % 7, time, 0) for time in range(300)] + [Event(1, 1, 1), Event(1, 1.0, 2), Event(1, 0.5, 1)]
    got = Bench(collect_set("x", limit=3), "mixed").fold(rows, cuts).results()
    assert got == [[297 % 7, 298 % 7, 299 % 7], [0.5, 1], [], []]
    assert type(got[1][1]) is int


def test_true_is_not_one() -> None:
    """Rule: values of other types differ, even where Python says that they are equal."""
    rows = [Event(0, value, time) for time, value in enumerate([True, 1, "1", [1], 1.0])]
    assert Bench(collect_set("x"), "any").fold(rows, (2,)).results()[0] == [True, "1", [1], 1]
