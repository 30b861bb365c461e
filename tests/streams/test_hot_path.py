"""Work on the hot path is counted, not timed: Python function calls from fetched bytes to the local store."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka.consumer.fetcher import READ_UNCOMMITTED

from streams import fast
from streams.engine import StreamEngine, TableEngine
from streams.load import load
from streams.plan import plan
from streams.spec import Alert, Declaration, Stream, TimeField
from streams.testing import Harness
from streams.transport import batches, reading, wire
from streams.transport.answers import Answer
from tables import fast as tables_fast
from tables.aggregates.count import Count
from tables.rocks import RocksStore
from tables.spec import Table
from tables.windows.tumbling import Tumbling
from tests.benchmarks.batches import record_batch
from tests.benchmarks.declarations import declaration
from tests.benchmarks.forms import FORMS
from tests.benchmarks.workload import Workload

EVENTS = 20_000
PART = SimpleNamespace(_isolation_level=READ_UNCOMMITTED)
MOST_CALLS = 2_000
"""For 10,000 events of 100 keys; a call an event would be five times as many."""


class HotPath:
    """The hot path of one partition, as a worker goes it."""

    def __init__(self, folder: Path) -> None:
        """Open an empty partition."""
        (folder / "ops.yaml").write_text(declaration("ops"))
        stream = plan(load(folder / "ops.yaml")).streams["events"]
        self.engine, self.table = StreamEngine(stream, 0), TableEngine(stream.tables[0], 0)
        self.store = RocksStore(folder / "store")
        self.table.load(self.store)

    def go(self, answer: bytes, lo: int) -> int:
        """Take an answer from its bytes to the store; return the number of its records."""
        found = wire.walk(PART, Answer(answer, lo), len(answer), len(answer), 0)
        records = reading.read(found, lo)
        decoded, letters = self.engine.decode(records)
        assert not letters
        for write in self.table.fold(decoded):
            asyncio.run(batches.build(write.records, 1))
            self.store.write(write.records, lo + len(records))
        return len(records)


def answers() -> list[bytes]:
    """Return two answers of half of the events each."""
    workload = Workload.make(4 * EVENTS, 100)
    mine, stamp, half = (
        np.flatnonzero(workload.partition_of[workload.service] == 0),
        int(workload.time.max()),
        EVENTS // 2,
    )
    parts = [(begin, workload.rows(mine[begin : begin + half])) for begin in (0, half)]
    return [record_batch(rows.name, FORMS["flat"].write(rows), stamp, base=begin) for begin, rows in parts]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what Python functions are called, by name."""
    count: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            count[frame.f_code.co_name] += 1

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


def calls(path: HotPath) -> int:
    """Return how many Python functions are called for the second answer, when all keys are known."""
    first, second = answers()
    path.go(first, 0)
    with counted() as count:
        n = path.go(second, EVENTS // 2)
    assert n == EVENTS // 2
    return count.total()


def go(kernels: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let input and tables go this way until the test ends."""
    monkeypatch.setattr(fast._Loading, "kernels", kernels)  # noqa: SLF001 - both ways
    monkeypatch.setattr(tables_fast._Loaded, "kernels", kernels and kernels.tables)  # noqa: SLF001 - both ways


@pytest.mark.parametrize("way", ["plain", "compiled"])
def test_no_python_function_is_called_for_each_event(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From fetched bytes to the store, calls go by batches and cells, not by events."""
    go(fast.load() if way == "compiled" else None, monkeypatch)
    path = HotPath(tmp_path)
    assert calls(path) < MOST_CALLS
    path.store.close()


def test_a_loop_that_creeps_in_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count sees one call an event, wherever it is made."""
    go(None, monkeypatch)
    path = HotPath(tmp_path)
    decode = path.engine.decode

    def slow(records: Any) -> Any:
        sum(map(lambda value: len(value), records.values))  # noqa: C417, PLW0108 - the call is what is counted
        return decode(records)

    monkeypatch.setattr(path.engine, "decode", slow)
    assert calls(path) > MOST_CALLS
    path.store.close()


def counting(*alerts: Alert) -> Harness:
    """Return a harness of a table that counts rows by host, with these alerts."""
    stream = Stream(name="s", topic="s", time=TimeField(field="ts", unit="ms"), key=("host",), idle=None)
    table = Table(name="t", from_=("s",), key=("host",), window=Tumbling(10_000), aggregates={"n": Count()})
    return Harness(Declaration(app="m", streams={"s": stream}, tables={"t": table}, alerts=alerts))


def test_an_alert_that_fires_costs_nothing_again() -> None:
    """A row that goes on to hold is not read for its values: nobody is told them before its window closes."""
    made = counting(Alert(alert="Any", table="t", expr="n > 0", judge="update"))
    found = []
    for number in range(2):
        with counted() as count:
            made.feed_many("s", [{"value": b'{"host":"a","ts":%d}' % (1_700_000_000_000 + number), "key": "a"}])
        found.append((count["_where"], count["_hit"], count["values"] > 0))
    assert found == [(1, 1, True), (1, 0, False)]


def closing(windows: int) -> Counter[str]:
    """Return the calls for a batch that closes so many windows of one row each."""
    made = counting()
    times = [1_700_000_000_000 + 10_000 * number for number in range(windows + 1)]
    with counted() as count:
        made.feed_many("s", [{"value": b'{"host":"a","ts":%d}' % time, "key": "a"} for time in times])
    assert sum(row.values["n"] for row in made.table("t").rows()) == windows + 1
    return count


def test_a_window_costs_the_same_among_many() -> None:
    """A batch that closes ten times as many windows calls no function much more than ten times as often."""
    few, many = closing(50), closing(500)
    assert {name: n for name, n in many.items() if n > 11 * max(few[name], 50)} == {}


def test_a_resolved_alert_says_its_last_row() -> None:
    """What a firing alert's row became before its window closed is read then, though nobody was told meanwhile."""
    made = counting(Alert(alert="Any", table="t", expr="n > 0", judge="update"))
    for at in (0, 1, 2, 12_000, 45_000):
        host = "a" if at < 10_000 else "b"
        made.feed_many("s", [{"value": b'{"host":"%s","ts":%d}' % (host.encode(), 1_700_000_000_000 + at), "key": "a"}])
    found = [event.value for event in made.emitted("m-alerts")]
    said = [(each["status"], each["values"]) for each in found if each["labels"]["host"] == "a"]
    assert said == [("firing", {"n": 1}), ("resolved", {"n": 3})]
