"""What rows do not depend on: order within the grace, batches, partitions, other inputs. For every kind of windows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.spec import Declaration, Stream, TimeField
from streams.testing import Harness
from tables import count, first, last, windows
from tables import max as greatest
from tables.spec import Table
from tables.windows.counted import Counted

BASE = 1_700_000_000_000
WINDOWS = [example for kind in windows.registry().values() for example in kind.examples()]
every = pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window.kind}-{window.shape()}-{window.grace}")
some = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = {"n": count(), "most": greatest("x"), "first": first("x"), "last": last("x")}
TIMED = [window for window in WINDOWS if not isinstance(window, Counted)]
"""All but those that the order of arrival fills."""
gaps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.integers(0, 99)), min_size=1, max_size=40)
Event = tuple[str, int, int]


def events_of(window: windows.Window, steps: list[tuple[str, int, int]]) -> list[Event]:
    """Return (key, time, value) with distinct, rising times."""
    time, events = BASE, []
    for key, step, value in steps:
        time += max(1, step * window.longest // 20)
        events.append((key, time, value))
    return events


def rows(window: windows.Window, events: list[Event], random: Random, partitions: int = 1) -> list[Any]:
    """Return the table's rows after events in this order, cut into any batches; keys are spread over partitions."""
    stream = Stream(name="s", topic="s", time=TimeField(field="ts", unit="ms"), key=("k",), idle=None)
    table = Table(name="t", from_="s", key=("k",), window=window, keep=10**12, aggregates=COLUMNS)
    made = Harness(Declaration(app="m", streams={"s": stream}, tables={"t": table}), partitions=partitions)
    at = 0
    while at < len(events):
        end = at + random.choice((1, 2, 7, 40))
        batch = [({"k": key, "ts": time, "x": value}, "abc".index(key)) for key, time, value in events[at:end]]
        made.feed_many("s", [{"value": value, "key": value["k"], "partition": n % partitions} for value, n in batch])
        at = end
    assert made.late("t") == 0
    return [(row.key, row.start, row.end, row.values) for row in made.table("t").rows()]


@every
@some
@given(steps=gaps, random=st.randoms(use_true_random=False))
def test_any_order_within_the_grace_gives_the_same(window: windows.Window, steps: Any, random: Random) -> None:
    """Events that come in any order, none later than the grace, make the rows that they make in order."""
    events = events_of(window, steps)
    arrivals = sorted(events, key=lambda event: event[1] + random.randint(0, window.grace))
    assert rows(window, arrivals, random) == rows(window, events, random)


@every
@some
@given(steps=gaps, random=st.randoms(use_true_random=False))
def test_partitions_are_not_seen(window: windows.Window, steps: Any, random: Random) -> None:
    """Where no event is late, the rows are the same for any number of partitions."""
    events = events_of(window, steps)
    assert rows(window, events, random, 3) == rows(window, events, random, 1)


def interleaved(window: windows.Window, inputs: list[list[Event]], random: Random) -> list[Any]:
    """Return the rows of a table of two streams whose records come in their own order, but mixed in any way."""
    streams = {
        name: Stream(name=name, topic=name, time=TimeField(field="ts", unit="ms"), key=("k",), idle=None)
        for name in "st"
    }
    table = Table(name="t", from_=("s", "t"), key=("k",), window=window, keep=10**12, aggregates=COLUMNS)
    made, left = Harness(Declaration(app="m", streams=streams, tables={"t": table})), [list(each) for each in inputs]
    while any(left):
        number = random.choice([number for number, events in enumerate(left) if events])
        batch, left[number] = left[number][:5], left[number][5:]
        made.feed_many("st"[number], [{"value": {"k": key, "ts": time, "x": value}} for key, time, value in batch])
    assert made.late("t") == 0
    return [(row.key, row.start, row.end, row.values) for row in made.table("t").rows()]


@pytest.mark.parametrize("window", TIMED, ids=lambda window: f"{window.kind}-{window.shape()}-{window.grace}")
@some
@given(steps=gaps, random=st.randoms(use_true_random=False))
def test_how_inputs_are_interleaved_is_not_seen(window: windows.Window, steps: Any, random: Random) -> None:
    """The rows of a table of several inputs are those of all records in order, whichever input is ahead."""
    events = events_of(window, steps)
    inputs: list[list[Event]] = [[], []]
    for event in events:
        inputs[random.randrange(2)].append(event)
    assert interleaved(window, inputs, random) == rows(window, events, random)
