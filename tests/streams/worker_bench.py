"""A worker's runtime without a broker, for tests of what a worker says of itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from faust.types import TP

from streams.effects import Records, Write
from streams.load import loads
from streams.plan import plan
from streams.runtime.localstore import LocalStore
from streams.runtime.partition import InputPartition
from streams.runtime.runtime import Runtime
from streams.runtime.table import TablePartition
from streams.settings import KafkaSettings
from streams.table_engine import TableEngine
from tables.query import Reader
from tables.store import MemoryStore

BASE = 1_700_000_000_000
TEXT = """
app: ops
streams:
  access: {topic: web.access, time: {field: ts, unit: ms}, key: host, where: status != 0}
tables:
  traffic:
    from: access
    key: host
    window: {tumbling: 10s, grace: 0s}
    keep: 1h
    where: status != 1
    expose: [requests, worst, path]
    aggregates: {requests: count(), worst: max("status"), path: last("path")}
  totals:
    from: access
    key: host
    expose: [seen]
    aggregates: {seen: count()}
alerts:
  - {alert: Busy, table: traffic, expr: requests >= 3, labels: {severity: page}}
  - {alert: Busy, table: traffic, expr: worst >= 500 and requests >= 3, labels: {severity: page}}
  - {alert: Broken, table: traffic, expr: worst >= 500, for: 1m}
"""


class Consumer:
    """The runtime's consumer, without Kafka; what was fetched and committed is what the test says."""

    def __init__(self) -> None:
        """Begin with empty topics."""
        self.ends: dict[TP, int] = {}
        self.commits: dict[TP, int] = {}
        self.released: dict[TP, int] = {}
        self._thread = self

    def nudge(self) -> None:
        """Do nothing: nobody fetches."""

    async def committed(self, tp: TP) -> int | None:
        """Return that nothing was committed before."""
        del tp

    async def beginning(self, tp: TP) -> int:
        """Return the first offset."""
        del tp
        return 0

    async def start_at(self, tp: TP, offset: int) -> None:
        """Do nothing: the test hands the records in."""

    def release(self, tp: TP, hi: int) -> None:
        """Note it: the test commits."""
        self.released[tp] = hi

    def committed_here(self, tp: TP) -> int | None:
        """Return what the test committed."""
        return self.commits.get(tp)

    def caught_up(self, tp: TP, position: int) -> None:
        """Return that nothing is known: the input is never silent."""

    def highwater(self, tp: TP) -> int | None:
        """Return the end that the test set."""
        return self.ends.get(tp)


class App:
    """What the runtime needs of the app."""

    def __init__(self) -> None:
        """Have a consumer."""
        self.consumer = Consumer()


class MemoryPartition(TablePartition):
    """A table partition whose changelog takes everything, over a store in memory."""

    async def open(self) -> bool:
        """Open empty."""
        store: Any = MemoryStore()
        self.local = LocalStore(store, "in memory")
        self.engine = TableEngine(self.plan, self.partition)
        self.engine.stats = self.runtime.table_stats[self.plan.name]
        self.engine.load(store)
        self.reader = Reader(self.plan.table, store)
        return True

    async def deliver(self, write: Write) -> None:
        """Store what a write holds."""
        assert self.store is not None
        self.store.write(write.records, None)


class Bench:
    """A worker's runtime with some partitions of `web.access`."""

    def __init__(self, folder: Path) -> None:
        """Have a runtime that was told of no partition yet."""
        self.app = App()
        self.runtime = Runtime(self.app, plan(loads(TEXT)), KafkaSettings(client_id="ops"), folder)
        self.runtime.waiting_for = ""
        self.runtime.send = self._send  # type: ignore[method-assign] # no broker
        self.next: dict[int, int] = {}

    async def _send(self, events: list[Any]) -> None:
        del events

    async def assign(self, *numbers: int) -> None:
        """Give the worker these partitions and no others, and wait until they run."""
        for number in numbers:
            tp = TP("web.access", number)
            if tp not in self.runtime.partitions:
                made = InputPartition(self.runtime, self.runtime.by_topic["web.access"], number)
                made.tables = [MemoryPartition(self.runtime, each.plan, number) for each in made.tables]
                self.runtime.partitions[tp] = made
        self.runtime.assigned({TP("web.access", number) for number in numbers})
        await self.until(lambda: self.runtime.ready()[0])

    async def feed(self, number: int, *values: bytes | dict[str, Any]) -> None:
        """Fold one batch into a partition, and wait until it is written."""
        encoded: list[bytes | None] = [
            each if isinstance(each, bytes) else json.dumps(each).encode() for each in values
        ]
        lo, n = self.next.get(number, 0), len(values)
        self.next[number] = lo + n
        offsets, stamps = np.arange(lo, lo + n), np.full(n, BASE + 3_600_000)
        partition = self.partition(number)
        self.app.consumer.released.pop(partition.tp, None)
        partition.accept(Records(lo, lo + n, offsets, stamps, encoded, [None] * n))
        await self.until(lambda: self.app.consumer.released.get(partition.tp) == lo + n)

    def partition(self, number: int) -> InputPartition:
        """Return a partition."""
        return self.runtime.partitions[TP("web.access", number)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the tasks run until something holds."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - what is waited for are plain attributes
                await asyncio.sleep(0.001)


def hit(host: Any, second: float, status: int = 200, path: str = "/") -> dict[str, Any]:
    """Return a record of a host at a second."""
    return {"host": host, "ts": BASE + round(second * 1000), "status": status, "path": path}


def run(test: Callable[[Bench], Awaitable[None]], folder: Path) -> None:
    """Run a test over a bench."""

    async def running() -> None:
        bench = Bench(folder)
        await test(bench)
        await bench.runtime.stop()

    asyncio.run(running())


async def fill(bench: Bench) -> None:
    """Feed two partitions: 12 records in 3 batches, every outcome among them."""
    await bench.assign(0, 1)
    await bench.feed(0, hit("a", 0), hit("a", 1), hit("a", 2, 503), hit("b", 3), hit("b", 4, 0), hit("b", 5, 1))
    await bench.feed(0, b"{", hit(None, 6), {"host": "a", "status": 200}, hit("c", 12.5), hit("a", 2))
    await bench.feed(1, hit("d", 1))
