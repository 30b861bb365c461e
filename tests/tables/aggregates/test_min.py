"""Min: exact, and an integer where an integer won."""

from __future__ import annotations

from typing import Any

import pytest

from tables import min as min_
from tests.tables.bench import Bench, Event


def oracle(_: Any, events: list[Any]) -> int | float | None:
    """Return the least value; of equal ones an integer."""
    values = [event.value + 0 for event in events if event.value is not None]
    wanted = min(values, default=None)
    return next((value for value in values if value == wanted and type(value) is int), wanted)


@pytest.mark.parametrize("cuts", [(), (1, 2, 3, 4, 5)])
def test_neighbours_beyond_2_53_are_told_apart(cuts: tuple[int, ...]) -> None:
    """Rule: integers and floats are compared exactly, though floats cannot hold the integers."""
    big = 2**53
    rows = [
        Event(0, big + 1),
        Event(0, float(big)),
        Event(1, -big - 1),
        Event(1, float(-big)),
        Event(2, 2**63 - 1),
        Event(2, 2.0**63),
    ]
    want = [min(big + 1, float(big)), min(-big - 1, float(-big)), min(2**63 - 1, 2.0**63)]
    got = Bench(min_("x"), "mixed").fold(rows, cuts).results()[:3]
    assert got == want
    assert [type(value) for value in got] == [type(value) for value in want]


def test_the_ends_of_the_range_are_values() -> None:
    """Rule: the greatest and the least 64-bit integers are values like others."""
    rows = [Event(0, 2**63 - 1), Event(1, -(2**63)), Event(2, None)]
    assert Bench(min_("x"), "int").fold(rows).results() == [2**63 - 1, -(2**63), None, None]


def test_of_equal_numbers_the_integer_is_kept() -> None:
    """Rule: of 5 and 5.0 it is 5, in whichever order they come; and zero has no sign."""
    for rows in ([Event(0, 5), Event(0, 5.0)], [Event(0, 5.0), Event(0, 5)]):
        assert type(Bench(min_("x"), "mixed").fold(rows).results()[0]) is int
    assert str(Bench(min_("x"), "float").fold([Event(0, -0.0)]).results()[0]) == "0.0"
