"""Tables whose rows are unique by an id: against plain Python under crashes, and what becomes of each kind of row."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Limits
from streams.letters import REASON
from streams.load import loads
from streams.plan import plan
from streams.testing import Harness
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event, Shape, aggregates

SECOND = 1000
SHAPES = [Shape(10, 10, 0), Shape(20, 10, 5), Shape(60, 60, 30)]
APP = """
app: t
streams:
  s: {{topic: s, time: {{field: ts, unit: ms}}, key: {key}}}
tables:
  c:
    from: s
    key: host
    where: v > -3
    window: {{hopping: {size}s, every: {every}s, grace: {grace}s}}
    keep: 4w
    unique: id
    within: {within}s
    max_ids: {most}
    late: late
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
"""
moved = st.one_of(st.integers(-25, 12), st.sampled_from([0, 30, 200]))
rows = st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "z", 7, None]), moved, st.integers(-4, 3))


def app(shape: Shape, within: int = 10, key: str = "host", most: int = 1000) -> Any:
    """Return the declaration of the table above."""
    sizes = {"size": shape.size, "every": shape.every, "grace": shape.grace}
    return loads(APP.format(**sizes, within=within, key=key, most=most))


def wanted(shape: Shape, within: int, log: list[dict[str, Any]]) -> tuple[dict[tuple[int, str], Any], int]:
    """Return the rows of a log, and how many records came again, record by record."""
    found: dict[tuple[int, str], list[Event]] = defaultdict(list)
    counted: dict[tuple[str, Any], list[int]] = defaultdict(list)
    running, repeated = 0, 0
    size, every, grace, within = (each * SECOND for each in (shape.size, shape.every, shape.grace, within))
    for offset, row in enumerate(log):
        time, name = row["ts"], (row["host"], row["id"])
        running = max(running, time)
        starts = range(time - time % every, time - size, -every)
        still = [start for start in starts if start + size + grace > running]
        if not still or row["v"] <= -3:
            continue
        near = any(abs(time - each) < within for each in counted[name])
        if row["id"] is not None and time > running - within and near:
            repeated += 1
            continue
        counted[name].append(time)
        for start in still:
            found[start, row["host"]].append(Event(offset, row["host"], time, row["v"]))
    return {at: aggregates(events) for at, events in found.items()}, repeated


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.sampled_from(SHAPES),
    within=st.sampled_from([5, 10, 60]),
    steps=st.lists(rows, max_size=30),
    random=st.randoms(use_true_random=False),
    crashes=st.sampled_from([0, 6]),
    limit=st.sampled_from([4, 20_000]),
)
def test_each_id_counts_once(  # noqa: PLR0913, PLR0917 - what may differ
    shape: Shape, within: int, steps: list[Any], random: Random, crashes: int, limit: int
) -> None:
    """However input is cut and workers die, a row counts unless one with its key and id did near it in time."""
    time, log = BASE, []
    for host, name, move, value in steps:
        time = max(BASE - 100 * SECOND, time + move * SECOND)
        log.append({"host": host, "id": name, "ts": time, "v": value})
    values = [json.dumps(row).encode() for row in log]
    partition = Partition(plan(app(shape, within)), values, random, Limits(limit), crashes).run()
    found, repeated = wanted(shape, within, log)
    assert partition.table() == found
    assert crashes or partition.engine.stats.repeated == repeated


@pytest.mark.parametrize(("key", "partitions"), [("host", 1), ("other", 1), ("other", 3)])
def test_ids_are_kept_where_the_key_lives(key: str, partitions: int) -> None:
    """A row is known by key and id, wherever it is read; late rows and those without id are not remembered."""
    harness = Harness(app(Shape(60, 60, 0), 30, key), partitions=partitions)
    for second, host, name in (
        (1, "a", "x"),
        (5, "a", "x"),
        (6, "b", "x"),
        (40, "a", "x"),
        (41, "a", None),
        (42, "a", None),
    ):
        row = {"host": host, "id": name, "ts": BASE // 60_000 * 60_000 + second * SECOND, "v": 1}
        harness.feed("s", row, partition=second % partitions)
    rows = {row.key: row.values["n"] for row in harness.table("c").rows()}
    assert rows == {"a": 4, "b": 1}


def test_a_late_row_does_not_stand_for_its_id() -> None:
    """A late row is late, not counted; the same id in time counts."""
    harness = Harness(app(Shape(10, 10, 0), 60))
    start = BASE // 60_000 * 60_000
    for second, name in ((25, "w"), (5, "x"), (26, "x"), (27, "x")):
        harness.feed("s", {"host": "a", "id": name, "ts": start + second * SECOND, "v": 1})
    assert (harness.late("c"), [row.values["n"] for row in harness.table("c").rows()]) == (1, [2])


def test_ids_are_bounded() -> None:
    """Rows with further ids than `max_ids` go to the dead letters, until ids are forgotten."""
    harness = Harness(app(Shape(10, 10, 0), 5, most=2))
    start = BASE // 60_000 * 60_000
    for second, name in ((1, "a"), (2, "b"), (3, "c"), (3, "a"), (3, None), (29, None), (30, "d"), (31, "e")):
        harness.feed("s", {"host": "a", "id": name, "ts": start + second * SECOND, "v": 1})
    letters = harness.emitted("t-dead-letters")
    assert [(dict(each.headers)[REASON], each.value["id"]) for each in letters] == [(b"too_many_ids", "c")]
    assert [row.values["n"] for row in harness.table("c").rows()] == [3, 1, 2]
