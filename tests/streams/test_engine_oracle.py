"""The engine against a record-by-record oracle: any input order, batch cut, write limit, and any number of crashes."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from streams.testing import Harness
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event, Oracle, Shape, aggregates
from tests.streams.traffic import SECOND, encode, events_of

SHAPES = [Shape(10, 10, 0), Shape(10, 10, 7), Shape(20, 10, 5), Shape(30, 20, 0), Shape(30, 10, 12)]
shapes = st.builds(
    lambda shape, hold, keep: Shape(shape.size, shape.every, shape.grace, hold, keep),
    st.sampled_from(SHAPES),
    st.sampled_from([0, 5, 10, 25]),
    st.sampled_from([0, 10, 25]),
)
steps = st.tuples(
    st.sampled_from(["a", "a", "b", ""]),
    st.one_of(st.integers(-25, 12), st.sampled_from([0, 30, 200])),
    st.integers(-3, 3),
)


def planned(shape: Shape, keep: str = "4w", emit: str = "close") -> Plan:
    """Return the plan of one table with these windows and alert (in seconds)."""
    return plan(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host}}
tables:
  traffic:
    from: access
    key: host
    window: {{hopping: {shape.size}s, every: {shape.every}s, grace: {shape.grace}s}}
    keep: {keep}
    emit: {emit}
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
alerts:
  - {{alert: Many, table: traffic, expr: n >= 2, for: {shape.hold}s, keep_firing_for: {shape.keep}s}}
""")
    )


def in_ms(shape: Shape) -> Shape:
    """Return the shape in ms."""
    size, every, grace = shape.size * SECOND, shape.every * SECOND, shape.grace * SECOND
    return Shape(size, every, grace, shape.hold * SECOND, shape.keep * SECOND, shape.least)


def check(partition: Partition, oracle: Oracle, *, kept: bool = True) -> None:
    """Compare everything that is left of a partition with the oracle."""
    if kept:
        assert partition.table() == {at: aggregates(events) for at, events in oracle.rows.items()}
    assert partition.rows() == oracle.closed
    assert sorted(partition.alerts(), key=str) == sorted(oracle.alerts, key=str)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=shapes, moves=st.lists(steps, max_size=40), random=st.randoms(use_true_random=False))
def test_any_batch_cut_gives_the_same(shape: Shape, moves: list[tuple[str, int, int]], random: Random) -> None:
    """Rows, closed rows and alerts are those of the oracle, however the input is cut into batches."""
    events = events_of(moves)
    oracle = Oracle(in_ms(shape)).read(events)
    partition = Partition(planned(shape), encode(events), random).run()
    check(partition, oracle)
    assert partition.engine.stats.late == len(oracle.late)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=shapes,
    moves=st.lists(steps, max_size=40),
    random=st.randoms(use_true_random=False),
    records=st.sampled_from([4, 5, 8, 20_000]),
    keep=st.sampled_from(["4w", "1s", "40s"]),
)
def test_crashes_lose_and_repeat_nothing(
    shape: Shape, moves: list[tuple[str, int, int]], random: Random, records: int, keep: str
) -> None:
    """Killed at any step and restored from its changelog, a partition ends as if it had never been."""
    events = events_of(moves)
    partition = Partition(planned(shape, keep), encode(events), random, Limits(records), crashes=8).run()
    check(partition, Oracle(in_ms(shape)).read(events), kept=keep == "4w")
    assert partition.largest <= max(records, 4)


@pytest.mark.parametrize("seed", range(150))
def test_many_keys_in_small_writes(seed: int) -> None:
    """A step that changes many keys is cut between keys, and a crash between the parts changes nothing."""
    random = Random(seed)  # noqa: S311 - a test's dice
    shape = Shape(*random.choice([(10, 10, 0), (20, 10, 3)]), hold=random.choice((0, 10)), keep=random.choice((0, 20)))
    time, events = BASE, []
    for offset in range(120):
        time += random.choice((0, 0, 0, 0, 1, 1, 2, 40)) * SECOND
        at = time - random.choice((0, 0, 0, 5, 15)) * SECOND
        events.append(Event(offset, random.choice("abcdefgh"), at, random.randrange(9)))
    partition = Partition(planned(shape), encode(events), random, Limits(random.choice((4, 6, 9))), crashes=10).run()
    check(partition, Oracle(in_ms(shape)).read(events))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=shapes, moves=st.lists(steps, max_size=30), random=st.randoms(use_true_random=False))
def test_updated_rows_end_as_the_rows(shape: Shape, moves: list[tuple[str, int, int]], random: Random) -> None:
    """Of the updated rows of a window and key the one with the greatest n is the row, through any crashes."""
    events = events_of(moves)
    partition = Partition(planned(shape, emit="update"), encode(events), random, crashes=6).run()
    newest: dict[tuple[int, str], tuple[int, dict[str, int]]] = {}
    for event in partition.sent:
        if event.topic == "t-traffic" and event.value and event.key is not None:
            body, headers = json.loads(event.value), dict(event.headers)
            row = {name: body[name] for name in ("n", "total", "low", "high", "final")}
            at, n = (body["window"]["start"], event.key.decode()), int(headers["n"])
            newest[at] = max(newest.get(at, (0, row)), (n, row), key=lambda update: update[0])
    rows = {at: aggregates(found) for at, found in Oracle(in_ms(shape)).read(events).rows.items()}
    assert {at: row for at, (_, row) in newest.items()} == rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=shapes, moves=st.lists(steps, max_size=40), random=st.randoms(use_true_random=False))
def test_the_same_bytes_for_any_cut(shape: Shape, moves: list[tuple[str, int, int]], random: Random) -> None:
    """What is produced is the same, byte for byte, in any batches, any writes, and with crashes."""
    planned_, values = planned(shape), encode(events_of(moves))
    runs = [
        Partition(planned_, values, random, Limits(records), crashes=crashes).run()
        for records, crashes in ((20_000, 0), (20_000, 0), (4, 0), (5, 5))
    ]
    produced = [{(event.topic, event.key, event.value, event.headers) for event in each.sent} for each in runs]
    assert all(each == produced[0] for each in produced)


@pytest.mark.parametrize("seed", range(25))
def test_partitions_are_independent(seed: int) -> None:
    """Each partition of a table is the oracle of its own input, however the inputs of several are interleaved."""
    random = Random(seed)  # noqa: S311 - a test's dice
    shape = random.choice(SHAPES)
    declaration = planned(shape).declaration
    logs = [
        events_of([(f"{p}{random.choice('ab')}", random.choice((-6, 0, 1, 2, 15)), 1) for _ in range(40)])
        for p in range(3)
    ]
    harness, left = Harness(declaration, partitions=3), [list(log) for log in logs]
    while any(left):
        partition = random.choice([p for p in range(3) if left[p]])
        take, left[partition] = left[partition][:5], left[partition][5:]
        values = [{"value": value, "partition": partition, "timestamp": BASE} for value in encode(take)]
        harness.feed_many("access", values)
    oracles = [Oracle(in_ms(shape)).read(log) for log in logs]
    rows = {(row.start, row.key): row.values for row in harness.table("traffic").rows()}
    assert rows == {at: aggregates(found) for oracle in oracles for at, found in oracle.rows.items()}
    closed = {(row.start, row.key) for row in harness.table("traffic").rows() if row.closed}
    assert closed == {at for oracle in oracles for at in oracle.closed}
