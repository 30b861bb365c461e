"""Session windows through the engine, against a record-by-record oracle: any order, cut, write limit and crashes."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.plan import Plan
from tests.streams.lives import Partition
from tests.streams.oracle import Event
from tests.streams.own_oracle import FAR, Rule, Sessions
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

GAP = 10
steps = st.tuples(
    st.sampled_from(["a", "a", "b", ""]),
    st.one_of(st.integers(-25, 12), st.sampled_from([0, 10, 11, -10, -11, 30, 200])),
    st.integers(-3, 3),
)
moves = st.lists(steps, max_size=40)
slow = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def planned(rule: Rule, emit: str = "close", judge: str = "close", extra: str = "") -> Plan:
    """Return the plan of one table of sessions and its alert, whose times are seconds."""
    return planned_with(f"session: {GAP}s", rule, emit, judge, extra)


def oracle(rule: Rule, events: list[Event]) -> Sessions:
    """Return what must come out."""
    keep = FAR if rule.keep == FAR else rule.keep * SECOND
    in_ms = Rule(rule.grace * SECOND, rule.hold * SECOND, rule.firing * SECOND, keep)
    return Sessions(GAP * SECOND, in_ms).read(events)


def check(partition: Partition, expected: Sessions, *, kept: bool = True) -> None:
    """Compare everything that is left of a partition with the oracle."""
    if kept:
        assert partition.table() == expected.rows
    assert partition.rows() == expected.closed
    assert sorted(partition.alerts(), key=str) == sorted(expected.alerts, key=str)


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_any_batch_cut_gives_the_same(rule: Rule, moved: list[tuple[str, int, int]], random: Random) -> None:
    """Rows, closed rows and alerts are those of the oracle, however the input is cut into batches."""
    events = events_of(moved)
    expected = oracle(rule, events)
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
    check(partition, oracle(rule, events), kept=rule.keep == FAR)
    assert partition.largest <= records


@pytest.mark.parametrize("seed", range(40))
def test_many_keys_in_small_writes(seed: int) -> None:
    """Windows of many keys that close together are cut between keys, and a crash between the parts changes nothing."""
    random = Random(seed)  # noqa: S311 - a test's dice
    rule = Rule(random.choice((0, 3)), random.choice((0, 10)), random.choice((0, 20)), random.choice((30, FAR)))
    events = events_of_many_keys(random, 120)
    partition = Partition(planned(rule), encode(events), random, Limits(random.choice((5, 6, 9))), crashes=10).run()
    check(partition, oracle(rule, events), kept=rule.keep == FAR)


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False), way=updates)
def test_updates_and_retractions_end_as_the_rows(
    rule: Rule, moved: list[tuple[str, int, int]], random: Random, way: tuple[str, int]
) -> None:
    """Of what was sent for a key and window the greatest n counts; nothing is taken back that was not shown."""
    events = events_of(moved)
    emit, records = way
    partition = settled(Partition(planned(rule, emit), encode(events), random, Limits(records), crashes=6).run())
    newest: dict[tuple[int, int, str], tuple[int, bytes | None]] = {}
    for event in partition.sent:
        if event.topic == "t-traffic" and event.key is not None:
            headers = dict(event.headers)
            if headers.get("reason") == b"expired":
                continue
            at = (int(headers["start"]), int(headers["end"]), event.key.decode())
            n = int(headers["n"])
            assert event.value is not None or at in newest
            if n >= newest.get(at, (0, b""))[0]:
                newest[at] = (n, event.value)
    left = {at: json.loads(value) for at, (_, value) in newest.items() if value is not None}
    rows = {
        (start, key): {name: body[name] for name in ("n", "total", "low", "high", "final")}
        for (start, _, key), body in left.items()
    }
    assert rows == oracle(rule, events).rows
    assert len(rows) == len(left)


@slow
@given(rule=rules, moved=moves, random=st.randoms(use_true_random=False))
def test_the_same_bytes_for_any_cut(rule: Rule, moved: list[tuple[str, int, int]], random: Random) -> None:
    """What is produced is the same, byte for byte, in any batches, any writes, and with crashes."""
    planned_, values = planned(replace(rule, keep=FAR)), encode(events_of(moved))  # how far expiry is, writes decide
    found = produced(planned_, values, random)
    assert all(each == found[0] for each in found)
