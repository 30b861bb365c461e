"""Sliding windows through the engine, against a record-by-record oracle: any order, cut, write limit and crashes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.plan import Plan
from tests.streams.lives import Partition
from tests.streams.oracle import Event, aggregates
from tests.streams.own_oracle import FAR, Alerts, Rule
from tests.streams.traffic import (
    SECOND,
    encode,
    events_of,
    events_of_many_keys,
    planned_with,
    produced,
    rules,
    settled,
    updates,
)

SIZE = 10
moves = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "b", ""]),
        st.one_of(st.integers(-14, 8), st.sampled_from([0, 10, 11, -10, -11, 60])),
        st.integers(-3, 3),
    ),
    max_size=30,
)
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Sliding:
    """One table partition: the records that came in time, each with the watermark then, and what closed."""

    def __init__(self, rule: Rule) -> None:
        """Begin without records; the rule's times are seconds."""
        keep = FAR if rule.keep == FAR else rule.keep * SECOND
        self.rule = Rule(rule.grace * SECOND, rule.hold * SECOND, rule.firing * SECOND, keep)
        self.came: list[tuple[Event, int]] = []
        self.closed: dict[tuple[int, str], dict[str, Any]] = {}
        self.late: list[int] = []
        self.judged = Alerts(self.rule)

    def read(self, events: Iterable[Event], *, closing: bool = True) -> Sliding:
        """Take records one by one; without `closing` only rows are known, and in less time."""
        watermark = -1
        for event in events:
            watermark = max(watermark, event.time)
            if closing:
                self.close(watermark - self.rule.grace)
            if event.time + SIZE * SECOND + 1 <= watermark - self.rule.grace:
                self.late.append(event.offset)
            else:
                self.came.append((event, watermark))
        return self

    def close(self, now: int) -> None:
        """Close the windows that end up to a time."""
        over = {at: row for at, row in self.windows().items() if at[0] + SIZE * SECOND + 1 <= now}
        fresh = {at: row for at, row in over.items() if at not in self.closed}
        assert over == self.closed | fresh, "a closed window has changed"
        self.closed |= fresh
        least = self.rule.least
        self.judged.advance([(at + SIZE * SECOND + 1, key, row["n"] >= least) for (at, key), row in fresh.items()], now)

    def windows(self) -> dict[tuple[int, str], dict[str, Any]]:
        """Return the rows by start and key: of the windows up to each record, and from 1 ms after it."""
        found = {}
        starts = {(e.time - SIZE * SECOND, e.key) for e, _ in self.came} | {(e.time + 1, e.key) for e, _ in self.came}
        for start, key in starts:
            last = start + SIZE * SECOND
            here = [e for e, at in self.came if e.key == key and last + 1 + self.rule.grace > at]
            held = [event for event in here if start <= event.time <= last]
            if held and any(event.time in {start - 1, last} for event in here):
                found[start, key] = aggregates(held)
        return found


def planned(rule: Rule, emit: str = "close", judge: str = "close") -> Plan:
    """Return the plan of one table of sliding windows and its alert, whose times are seconds."""
    return planned_with(f"sliding: {SIZE}s", rule, emit, judge)


def check(partition: Partition, expected: Sliding, *, kept: bool) -> None:
    """Compare everything that is left of a partition with the oracle."""
    if kept:
        assert partition.table() == expected.windows()
    assert partition.rows() == expected.closed
    assert sorted(partition.alerts(), key=str) == sorted(expected.judged.events, key=str)


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_any_batch_cut_gives_the_same(rule: Rule, moved: list[tuple[str, int, int]], random: Random) -> None:
    """Rows, closed rows and alerts are those of the oracle, however the input is cut into batches."""
    events = events_of(moved)
    expected = Sliding(rule).read(events)
    partition = Partition(planned(rule), encode(events), random).run()
    check(partition, expected, kept=rule.keep == FAR)
    assert partition.engine.stats.late == len(expected.late)


@slow
@given(
    rule=rules,
    moved=moves,
    random=st.randoms(use_true_random=False),
    records=st.sampled_from([5, 6, 8, 20_000]),
)
def test_crashes_lose_and_repeat_nothing(
    rule: Rule, moved: list[tuple[str, int, int]], random: Random, records: int
) -> None:
    """Killed at any step and restored from its changelog, a partition ends as if it had never been."""
    events = events_of(moved)
    partition = Partition(planned(rule), encode(events), random, Limits(records), crashes=8).run()
    check(partition, Sliding(rule).read(events), kept=rule.keep == FAR)
    assert partition.largest <= records


@pytest.mark.parametrize("seed", range(20))
def test_many_keys_in_small_writes(seed: int) -> None:
    """Windows of many keys that close together are cut between keys, and a crash between the parts changes nothing."""
    random = Random(seed)  # noqa: S311 - a test's dice
    rule = Rule(random.choice((0, 3)), random.choice((0, 10)), random.choice((0, 20)), random.choice((30, FAR)))
    events = events_of_many_keys(random, 80)
    partition = Partition(planned(rule), encode(events), random, Limits(random.choice((5, 6, 9))), crashes=10).run()
    check(partition, Sliding(rule).read(events), kept=rule.keep == FAR)


@slow
@given(moved=moves, random=st.randoms(use_true_random=False))
def test_order_within_the_grace_does_not_matter(moved: list[tuple[str, int, int]], random: Random) -> None:
    """The same records in any other order make the same rows, where the grace is longer than their disorder."""
    rule, events = Rule(10_000), events_of(moved)
    others = [replace(event, offset=at) for at, event in enumerate(random.sample(events, len(events)))]
    plans = planned(rule)
    both = [Partition(plans, encode(each), random).run().table() for each in (events, others)]
    both = [{at: {**row, "final": None} for at, row in rows.items()} for rows in both]
    assert both[0] == both[1]


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False), way=updates)
def test_the_newest_updates_are_the_rows(
    rule: Rule, moved: list[tuple[str, int, int]], random: Random, way: tuple[str, int]
) -> None:
    """Of what was sent for a key and window the one with the greatest n counts: what is left are the rows."""
    events = events_of(moved)
    emit, records = way
    partition = settled(Partition(planned(rule, emit), encode(events), random, Limits(records), crashes=6).run())
    newest: dict[tuple[int, str], tuple[int, dict[str, Any]]] = {}
    for event in partition.sent:
        if event.topic == "t-traffic" and event.key is not None and event.value is not None:
            headers = dict(event.headers)
            at, n = (int(headers["start"]), event.key.decode()), int(headers["n"])
            if n >= newest.get(at, (0, {}))[0]:
                newest[at] = (n, json.loads(event.value))
    rows = {
        at: {name: body[name] for name in ("n", "total", "low", "high", "final")} for at, (_, body) in newest.items()
    }
    assert rows == Sliding(rule).read(events).windows()


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_the_same_bytes_for_any_cut(rule: Rule, moved: list[tuple[str, int, int]], random: Random) -> None:
    """What is produced is the same, byte for byte, in any batches, any writes, and with crashes."""
    far = Rule(rule.grace, rule.hold, rule.firing)
    planned_, values = planned(far), encode(events_of(moved))  # how far expiry is, writes decide
    found = produced(planned_, values, random)
    assert all(each == found[0] for each in found)
