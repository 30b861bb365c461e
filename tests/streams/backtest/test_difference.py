"""Which alerts two versions raise: every alert that fired is told once, and what overlaps belongs together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.difference import pairs
from streams.backtest.timeline import Episode

END = 1000


def episode(active: int, fired: int | None, ended: int | None, rule: str = "A", key: bytes = b"k") -> Episode:
    """Return an alert."""
    return Episode(rule, rule, "t", 0, key, {"alertname": rule}, active, fired, ended)


@st.composite
def histories(draw: st.DrawFn) -> list[Episode]:
    """Draw the alerts of two rules and keys, which follow each other."""
    found = []
    for place in ((rule, key) for rule in "AB" for key in (b"j", b"k")):
        times = sorted(draw(st.lists(st.integers(0, END), max_size=9, unique=True)))
        for active, fired, ended in zip(times[::3], times[1::3], times[2::3], strict=False):
            found.append(episode(active, draw(st.sampled_from([fired, None])), ended, *place))
    return sorted(found, key=lambda each: each.active_at)


@given(histories(), histories())
def test_every_fired_alert_is_told_once(before: list[Episode], after: list[Episode]) -> None:
    """None is lost and none is told twice, and pairs are of one rule and key and overlap."""
    found = pairs(before, after, END)
    for side, episodes in ((0, before), (1, after)):
        told = Counter(id(pair) for pair in ((each.before, each.after)[side] for each in found) if pair is not None)
        assert told == Counter(id(each) for each in episodes if each.fired_at is not None)
    for pair in found:
        if pair.before is not None and pair.after is not None:
            assert (pair.before.rule, pair.before.key) == (pair.after.rule, pair.after.key)
            latest = max(pair.before.active_at, pair.after.active_at)
            assert latest <= min(pair.before.until(END), pair.after.until(END))


@given(histories())
def test_a_version_equals_itself(history: list[Episode]) -> None:
    """Against itself, everything is the same."""
    assert {pair.kind for pair in pairs(history, history, END)} <= {"same"}


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ([episode(1, 2, 9)], [], ["removed"]),
        ([], [episode(1, 2, None)], ["added"]),
        ([episode(1, 2, 9)], [episode(1, 3, 9)], ["changed"]),
        ([episode(1, 2, 9)], [episode(1, None, 9)], ["removed"]),
        ([episode(1, 2, 9)], [episode(10, 11, 12)], ["removed", "added"]),
        ([episode(1, 2, None)], [episode(10, 11, 12), episode(20, 21, 22)], ["changed", "added"]),
        ([episode(1, 2, 9)], [episode(1, 2, 9, key=b"l")], ["removed", "added"]),
        ([episode(1, 2, 9)], [episode(1, 2, 9, rule="A#2")], ["removed", "added"]),
    ],
)
def test_kinds(before: list[Episode], after: list[Episode], kinds: list[str]) -> None:
    """Only in one, in both at other times, in both at the same."""
    assert [pair.kind for pair in pairs(before, after, END)] == kinds
