"""Ties of several workers become groups of which none share a topic."""

from __future__ import annotations

from streams.assignment import Group
from streams.copartition import Tie, by_count, groups


def test_ties_with_a_common_topic_are_one_group() -> None:
    """What one version ties and what another ties stays together; the rest is apart."""
    ties = [
        Tie(frozenset({"a", "a-log"}), frozenset({"a-log"})),
        Tie(frozenset({"b"})),
        Tie(frozenset({"c", "c-log"}), frozenset({"c-log"}), standby=1),
        Tie(frozenset({"a-log", "b"}), standby=2),
    ]
    counts = {"a": 4, "a-log": 4, "b": 8, "c": 1, "c-log": 1}
    wanted = [
        Group(topics={"a": 4, "a-log": 4, "b": 8}, state=frozenset({"a-log"}), standby=2),
        Group(topics={"c": 1, "c-log": 1}, state=frozenset({"c-log"}), standby=1),
    ]
    assert groups(ties, counts) == groups(reversed(ties), counts) == wanted


def test_topics_that_do_not_exist_are_left_out() -> None:
    """A missing topic has no partitions to give."""
    assert groups([Tie(frozenset({"a", "b"})), Tie(frozenset({"c"}))], {"b": 2}) == [Group(topics={"b": 2})]


def test_topics_of_stock_agents_are_tied_by_their_number_of_partitions() -> None:
    """As Faust has it: the same number of partitions, the same worker."""
    tie = Tie(frozenset({"a", "b", "log", "gone"}), frozenset({"log"}), standby=1)
    found = by_count(tie, {"a": 4, "b": 8, "log": 4})
    assert found == [Tie(frozenset({"a", "log"}), frozenset({"log"}), 1), Tie(frozenset({"b"}), frozenset(), 1)]
