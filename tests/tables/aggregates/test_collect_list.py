"""Collect_list: the newest values by event time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tables import collect_list
from tests.tables.aggregates.test_last import text
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> list[Any]:
    """Return the end of the sorted list."""
    seen = [event for event in events if event.value is not None]
    return [e.value for e in sorted(seen, key=lambda e: (e.time, e.offset, text(e.value)))][-aggregate.limit :]


@pytest.mark.parametrize("cuts", [(), (2,), range(200)])
def test_the_newest_are_kept(cuts: Any) -> None:
    """Rule: the list is in the order of time, bounded, and late rows find their place."""
    rows = [Event(0, f"v{time}", time, 0) for time in [*range(0, 200, 2), *range(1, 200, 2)]] + [Event(1, "a")]
    got = Bench(collect_list("x", limit=5), "text").fold(rows, cuts).results()
    assert got == [["v195", "v196", "v197", "v198", "v199"], ["a"], [], []]
    assert len(Bench(collect_list("x"), "text").fold(rows, cuts).results()[0]) == 100


def test_lists_are_json() -> None:
    """Rule: a result can be written as JSON, whatever the values are."""
    rows = [Event(0, {"a": [1, None]}, 1), Event(0, "é", 2), Event(0, 2.5, 3)]
    got = Bench(collect_list("x"), "any", cells=1).fold(rows).results()
    assert json.loads(json.dumps(got)) == [[{"a": [1, None]}, "é", 2.5]]


@pytest.mark.parametrize("limit", [0, -1, 10_001, 2.5, True, "5"])
def test_the_limit_is_a_number(limit: Any) -> None:
    """Rule: anything but a whole number from 1 to 10,000 is refused."""
    with pytest.raises(ValueError, match="`limit` of collect_list"):
        collect_list("x", limit=limit)
