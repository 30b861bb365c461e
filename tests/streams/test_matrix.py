"""Every kind of windows with every aggregate, through the engine, against plain Python: both registries are walked.

A kind of windows brings its oracle in `window_rows.ROWS`, an aggregate its own in `tests/tables/aggregates`; whatever
is added to a registry is in here without a word.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.spec import Declaration, Stream, TimeField
from streams.testing import Harness
from tables import windows
from tables.aggregates import registry
from tables.aggregates.base import Aggregate
from tables.spec import Table
from tests.streams.test_oracle_access_log import LOG, hits
from tests.streams.window_rows import ROWS, Rows, Seen, listed
from tests.tables.test_laws import PARTS, near, told

BASE = 1_700_000_000_000
YEARS = 20 * 366 * 86_400_000
WINDOWS = [example for kind in windows.registry().values() for example in kind.examples()]
every = pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window.kind}-{window.shape()}-{window.grace}")


def columns() -> dict[str, Aggregate]:
    """Return every example of every aggregate as a column; conditions are over `flag`."""
    examples = [example for kind in registry().values() for example in kind.examples()]
    named = [replace(each, of="flag") if each.needs == "condition" else each for each in examples]
    return {f"c{number}": each for number, each in enumerate(named)}


COLUMNS = columns()


def harness(window: windows.Window) -> Harness:
    """Return a Harness of one table with these windows and all columns."""
    stream = Stream(name="s", topic="s", time=TimeField(field="ts", unit="ms"), key=("host",), idle=None)
    table = Table(name="t", from_=("s",), key=("host",), window=window, keep=YEARS, aggregates=COLUMNS)
    return Harness(Declaration(app="m", streams={"s": stream}, tables={"t": table}))


def fed(window: windows.Window, events: Sequence[Seen], random: Random) -> Harness:
    """Return a Harness that has read the events in batches of any length."""
    made, at = harness(window), 0
    while at < len(events):
        end = at + random.choice((1, 2, 5, 40, 500))
        made.feed_many("s", [{"value": record(event), "key": event.key} for event in events[at:end]])
        at = end
    return made


def record(event: Seen) -> bytes:
    """Return the record of an event."""
    body = {"host": event.key, "ts": event.time, "x": event.value, "y": event.by, "flag": event.flag}
    return json.dumps(body).encode()


def taken(aggregate: Any, events: Sequence[Seen]) -> list[Seen]:
    """Return the events that an aggregate counts, with its value where the oracles look for it."""
    conditions = {None: lambda _: True, "x > 0": lambda e: (e.value or 0) > 0, "y > 0": lambda e: (e.by or 0) > 0}
    found = [event for event in events if conditions[aggregate.where](event)]
    return [event._replace(value=event.flag) for event in found] if aggregate.of == "flag" else found


def differences(rows: Rows, made: Harness) -> Iterator[str]:
    """Yield where the table's rows are not those of the oracles."""
    got = listed(made.table("t").rows())
    yield from (f"window {at} is {'missing' if at in rows else 'too much'}" for at in got.keys() ^ rows.keys())
    for at in got.keys() & rows.keys():
        for name, aggregate in COLUMNS.items():
            seen = taken(aggregate, rows[at])
            want, value = told(aggregate, seen, at[1:3]), got[at][name]
            if value != want and not agrees(aggregate, value, want, seen):
                yield f"{aggregate.describe()} of {at} is {value!r}, not {want!r}"


def agrees(aggregate: Any, value: Any, want: Any, seen: Sequence[Seen]) -> bool:
    """Return whether a result is within the error that its aggregate states."""
    part: Any = PARTS[aggregate.kind]
    if hasattr(part, "within"):
        return bool(part.within(aggregate, value, seen))
    return type(value) is type(want) and near(value, want, part.error(want, seen) if hasattr(part, "error") else 0)


moves = st.tuples(
    st.sampled_from("aab"),
    st.one_of(st.integers(-6, 12), st.sampled_from([0, 45])),
    st.one_of(st.none(), st.integers(-5, 9), st.floats(-9, 9)),
    st.one_of(st.none(), st.integers(-2, 2)),
    st.booleans(),
)


@every
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(moves, min_size=1, max_size=40), random=st.randoms(use_true_random=False))
def test_any_input(window: windows.Window, steps: list[Any], random: Random) -> None:
    """Rows are those of the oracles for input in any order, some of it late, cut into any batches."""
    time, events, length = BASE, [], window.longest or 10_000
    for offset, (key, move, value, by, flag) in enumerate(steps):
        time = max(time + move * length // 15, BASE - 2 * length)
        events.append(Seen(key, time, offset, value, by, flag))
    assert list(differences(ROWS[window.kind](window, events), fed(window, events, random))) == []


@every
def test_the_access_log(window: windows.Window) -> None:
    """Rows are those of the oracles for real requests: bytes by status, four days of a web server."""
    found = hits()
    assert len(found) + 1 == len(gzip.decompress(Path(LOG).read_bytes()).splitlines())
    events = [
        Seen(hit.status, hit.time, offset, hit.sent, len(hit.method) - 3, hit.method == "GET")
        for offset, hit in enumerate(found)
    ]
    made = fed(window, events, Random(1))  # noqa: S311 - a test's dice
    assert list(differences(ROWS[window.kind](window, events), made)) == []
