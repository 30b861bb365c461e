"""A table whose open cells do not fit in memory gives what it gives when they do, for every kind of windows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tables.bounded
from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from tables.records import PROGRESS, Record
from tests.streams.lives import Partition
from tests.streams.oracle import Event, Oracle, Shape
from tests.streams.test_engine_oracle import check, in_ms, planned, shapes, steps
from tests.streams.traffic import encode, events_of

WINDOWS = {
    "none": "",
    "tumbling": "window: {tumbling: 10s, grace: 5s}",
    "hopping": "window: {hopping: 30s, every: 10s, grace: 5s}",
    "calendar": "window: {calendar: hour, zone: Europe/Paris, grace: 5s}",
    "session": "window: {session: 10s, grace: 5s}",
    "sliding": "window: {sliding: 10s, grace: 5s}",
    "count": "window: {count: 2}",
}
IN_MEMORY = {"session", "sliding", "count"}
"""Kinds of windows whose open cells are in memory whatever the budget says."""
AGGREGATES = """
      n: count()
      total: sum("v")
      final: last("v")
      p: quantile(0.5, "v")
      all: collect_list("v")
"""


def declared(window: str, emit: str, judge: str) -> Plan:
    """Return the plan of a table with a text column, a ragged one, and two alerts."""
    emits = "emit: none" if emit == "close" and window == "none" else f"emit: {emit}"
    keep = "" if window == "none" else "keep: 40s"
    when = "update" if window == "none" else judge
    return plan(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host}}
tables:
  traffic:
    from: access
    key: host
    {WINDOWS[window]}
    {keep}
    {emits}
    aggregates: {AGGREGATES}
alerts:
  - {{alert: Many, table: traffic, expr: n >= 2, for: 10s, judge: {when}}}
  - {{alert: Crowd, table: traffic, expr: n >= 1, limit: 2, keep_firing_for: 10s, judge: {when}}}
""")
    )


def led(
    plan_: Plan, events: list[Event], seed: int, portion: int = tables.bounded.PORTION, **options: Any
) -> Partition:
    """Return a partition that has read the events; all rows of a window are read by so many cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables.bounded, "PORTION", portion)
        return Partition(plan_, encode(events), Random(seed), **options).run()  # noqa: S311 - a test's dice


def writes(partition: Partition) -> list[list[Record]]:
    """Return the records of each write in order of their keys; the cells of a write come in no promised order."""
    found: list[list[Record]] = [[]]
    for record in partition.changelog:
        found[-1].append(record)
        if record.key == PROGRESS:
            found[-1].sort(key=lambda each: each.key)
            found.append([])
    return found


moved = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.one_of(st.integers(-25, 12), st.sampled_from([0, 40, 200])), st.integers(-3, 3)
    ),
    max_size=40,
)


@pytest.mark.parametrize("judge", ["close", "update"])
@pytest.mark.parametrize("emit", ["close", "update", "{update: 10s}"])
@pytest.mark.parametrize("window", WINDOWS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moves=moved, seed=st.integers(0, 99), memory=st.sampled_from([0, 2_000, 8_000]), portion=st.sampled_from([1, 2, 9])
)
def test_the_same_writes(  # noqa: PLR0913, PLR0917 - what is drawn
    window: str, emit: str, judge: str, moves: list[tuple[str, int, int]], seed: int, memory: int, portion: int
) -> None:
    """Changelog, emitted rows, alert events and letters are equal byte for byte, whatever fits in memory."""
    chosen, events = declared(window, emit, judge), events_of(moves)
    whole = led(chosen, events, seed, holds=0)  # bounded memory holds nothing
    bounded = led(chosen, events, seed, portion, memory=memory, holds=0)
    assert writes(bounded) == writes(whole)
    assert bounded.sent == whole.sent
    assert bounded.letters == whole.letters
    assert bounded.engine.stats == whole.engine.stats
    assert len(bounded.engine.cells) == len(whole.engine.cells)
    assert bounded.engine.cells.bounded == (window not in IN_MEMORY)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=shapes,
    moves=st.lists(steps, max_size=40),
    seed=st.integers(0, 999),
    records=st.sampled_from([4, 5, 8, 20_000]),
    keep=st.sampled_from(["4w", "1s", "40s"]),
)
def test_crashes_lose_and_repeat_nothing(
    shape: Shape, moves: list[tuple[str, int, int]], seed: int, records: int, keep: str
) -> None:
    """Killed at any step and restored with no cell in memory, a partition ends as if it had never been."""
    events = events_of(moves)
    partition = led(planned(shape, keep), events, seed, 1, limits=Limits(records), crashes=8, memory=0)
    check(partition, Oracle(in_ms(shape)).read(events), kept=keep == "4w")
    assert partition.largest <= max(records, 4)
