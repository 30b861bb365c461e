"""Windows of a number of rows through the engine, against a record-by-record oracle: any cut, write limit, crashes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.plan import Plan
from streams.testing.results import TableView
from tables.reading import reader
from tables.store import MemoryStore
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

moves = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "b", ""]),
        st.one_of(st.integers(-14, 8), st.sampled_from([0, 0, 0, 60])),
        st.integers(-3, 3),
    ),
    max_size=40,
)
sizes = st.sampled_from([1, 2, 3, 5])
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Row = tuple[str, int, int, dict[str, Any]]
"""Key, start, end, and the columns of one window."""


class Counted:
    """One table partition: each key's records in the order in which they came, so many to a window."""

    def __init__(self, size: int, rule: Rule) -> None:
        """Begin without records; the rule's times are seconds."""
        keep = FAR if rule.keep == FAR else rule.keep * SECOND
        self.size = size
        self.open: dict[str, list[Event]] = defaultdict(list)
        self.began: list[list[Event]] = []
        self.closed: list[Row] = []
        self.judged = Alerts(Rule(0, rule.hold * SECOND, rule.firing * SECOND, keep))

    def read(self, events: Iterable[Event]) -> Counted:
        """Take records one by one; time alone changes alerts up to the greatest event time, a window 1 ms after it."""
        watermark = -1
        for event in events:
            watermark = max(watermark, event.time)
            self.judged.advance([], watermark)
            here = self.open[event.key]
            if not here:
                self.began.append(here)
            here.append(event)
            if len(here) == self.size:
                del self.open[event.key]
                self.closed.append(row(here))
                self.judged.judge(event.key, watermark + 1, holds=self.closed[-1][-1]["total"] >= 2)
        return self

    @property
    def rows(self) -> list[Row]:
        """All rows by key and start; of equal ones in the order in which they began."""
        return sorted(map(row, self.began), key=lambda each: each[:2])


def row(events: list[Event]) -> Row:
    """Return the row of a window."""
    times = [event.time for event in events]
    return events[0].key, min(times), max(times) + 1, aggregates(sorted(events, key=lambda event: event.offset))


def planned(size: int, rule: Rule, emit: str = "close", judge: str = "close") -> Plan:
    """Return the plan of one table of count windows and its alert, whose times are seconds."""
    return planned_with(f"count: {size}", rule, emit, judge, expr="total >= 2")


def emitted(partition: Partition) -> list[Row]:
    """Return the rows that were sent and not withdrawn since, each once, by their numbers; repeats must be equal."""
    once: dict[int, tuple[int, bytes, bytes]] = {}
    for event in partition.sent:
        headers = dict(event.headers)
        if event.topic == "t-traffic" and event.key is not None and event.value is not None:
            number, n = int(headers["number"]), int(headers.get("n", 0))
            before = once.setdefault(number, (n, event.key, event.value))
            assert before == (n, event.key, event.value) or before[0] < n
            once[number] = (n, event.key, event.value)
    return [told(key.decode(), json.loads(value)) for _, (_, key, value) in sorted(once.items())]


def told(key: str, body: dict[str, Any]) -> Row:
    """Return the row that a record says."""
    columns = {name: body[name] for name in ("n", "total", "low", "high", "final")}
    return key, body["window"]["start"], body["window"]["end"], columns


def kept(partition: Partition) -> list[Row]:
    """Return all rows as a store shows them that was restored from the changelog alone."""
    store = MemoryStore()
    store.write(partition.changelog, len(partition.changelog))
    table = partition.engine.plan.table
    found = TableView(table, [reader(table, store)]).rows()
    return [(str(each.key), each.start or 0, each.end or 0, each.values) for each in found]


def check(partition: Partition, expected: Counted, *, whole: bool) -> None:
    """Compare everything that is left of a partition with the oracle."""
    if whole:
        assert kept(partition) == expected.rows
    by_key = [each[0] for each in expected.closed]
    assert {key: [each for each in emitted(partition) if each[0] == key] for key in by_key} == {
        key: [each for each in expected.closed if each[0] == key] for key in by_key
    }
    assert sorted(partition.alerts(), key=str) == sorted(expected.judged.events, key=str)


@slow
@given(size=sizes, rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_any_batch_cut_gives_the_same(size: int, rule: Rule, moved: list[Any], random: Random) -> None:
    """Rows, closed rows and alerts are those of the oracle, however the input is cut into batches; no row is late."""
    events = events_of(moved)
    partition = Partition(planned(size, rule), encode(events), random).run()
    check(partition, Counted(size, rule).read(events), whole=rule.keep == FAR)
    assert partition.engine.stats.late == 0


@slow
@given(
    size=sizes,
    rule=rules,
    moved=moves,
    random=st.randoms(use_true_random=False),
    records=st.sampled_from([5, 6, 8, 20_000]),
)
def test_crashes_lose_and_repeat_nothing(size: int, rule: Rule, moved: list[Any], random: Random, records: int) -> None:
    """Killed at any step and restored from its changelog, a partition ends as if it had never been."""
    events = events_of(moved)
    partition = Partition(planned(size, rule), encode(events), random, Limits(records), crashes=8).run()
    check(partition, Counted(size, rule).read(events), whole=rule.keep == FAR)
    assert partition.largest <= records


@slow
@given(
    rule=st.sampled_from([Rule(0), Rule(0), Rule(0, hold=5), Rule(0, firing=5)]),
    steps=st.lists(
        st.tuples(st.sampled_from("aab"), st.sampled_from([0, 0, 0, 1, 2, 5000]), st.sampled_from([0, 3])), min_size=8
    ),
    random=st.randoms(use_true_random=False),
)
def test_windows_that_are_full_at_one_time(rule: Rule, steps: list[tuple[str, int, int]], random: Random) -> None:
    """However often a key holds and does not hold within a ms, each alert is another one, and begins at its time."""
    events, time = [], 0
    for offset, (key, move, value) in enumerate(steps):
        time += move
        events.append(Event(offset, key, 1_700_000_000_000 + time, value))
    partition = Partition(planned(1, rule), encode(events), random, crashes=3).run()
    expected = Counted(1, rule).read(events)
    check(partition, expected, whole=rule.keep == FAR)
    begun = [event[:3] for event in expected.judged.events]
    assert len(set(begun)) == len(begun)


@pytest.mark.parametrize("seed", range(20))
def test_many_keys_in_small_writes(seed: int) -> None:
    """Windows that are full in one batch are cut between writes, and a crash between the parts changes nothing."""
    random = Random(seed)  # noqa: S311 - a test's dice
    rule = Rule(0, random.choice((0, 10)), random.choice((0, 20)), random.choice((30, FAR)))
    events, size = events_of_many_keys(random, 80), random.choice((1, 2, 4))
    partition = Partition(planned(size, rule), encode(events), random, Limits(random.choice((5, 6, 9))), crashes=10)
    check(partition.run(), Counted(size, rule).read(events), whole=rule.keep == FAR)


@slow
@given(size=sizes, rule=rules, moved=moves, random=st.randoms(use_true_random=False), way=updates)
def test_the_newest_updates_are_the_rows(
    size: int, rule: Rule, moved: list[Any], random: Random, way: tuple[str, int]
) -> None:
    """Of what was sent for a window, by its number, the one with the greatest n counts: what is left are the rows."""
    events = events_of(moved)
    emit, records = way
    partition = settled(Partition(planned(size, rule, emit), encode(events), random, Limits(records), crashes=6).run())
    assert sorted(emitted(partition), key=lambda each: each[:2]) == Counted(size, rule).read(events).rows


@slow
@given(size=sizes, rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_the_same_bytes_for_any_cut(size: int, rule: Rule, moved: list[Any], random: Random) -> None:
    """What is produced is the same, byte for byte, in any batches, any writes, and with crashes."""
    far = Rule(0, rule.hold, rule.firing)
    found = produced(planned(size, far), encode(events_of(moved)), random)
    assert all(each == found[0] for each in found)
