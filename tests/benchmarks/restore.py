"""A changelog of real cells, and one worker's restore of all its partitions: `python -m tests.benchmarks.restore`."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from streams import fast
from streams.effects import Limits, Records
from streams.engine import StreamEngine, TableEngine
from streams.load import load as load_declaration
from streams.plan import plan
from streams.runtime import collector
from streams.runtime.memory import Memory
from streams.runtime.restoring import Turns
from streams.runtime.table import TablePartition
from streams.stats import TableStats
from streams.transport import topics
from streams.transport.client import Client
from streams.transport.produce import FencedWriter
from tables.store import MemoryStore
from tests.benchmarks.declarations import declaration
from tests.benchmarks.forms import FORMS, Rows
from tests.benchmarks.pieces import listed
from tests.benchmarks.workload import START, WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.effects import Write
    from streams.planned import StreamPlan, TablePlan

BATCH = 20_000
"""Events that are folded together: each cell is written once."""


@dataclass(frozen=True)
class Size:
    """How much there is to restore.

    Args:
        partitions: of the table.
        keys: per partition.
        windows: all of them open.
    """

    partitions: int = 4
    keys: int = 50_000
    windows: int = 10

    @property
    def cells(self) -> int:
        """Cells in all."""
        return self.partitions * self.keys * self.windows


def declared(app: str) -> StreamPlan:
    """Return the plan of the end-to-end workload, with windows that stay open."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(declaration(app).replace("grace: 5s", "grace: 10m"))
        return plan(load_declaration(path)).streams["events"]


def writes(stream: StreamPlan, partition: int, size: Size) -> Iterator[Write]:
    """Yield the changelog writes of one partition: two events of each key in each window."""
    decoder, engine = StreamEngine(stream, partition), TableEngine(stream.tables[0], partition)
    engine.load(MemoryStore())
    rng = np.random.default_rng(partition)
    names = listed([b"checkout-%d-%06d" % (partition, n) for n in range(size.keys)])
    offset = 0
    for window in range(size.windows):
        keys = np.repeat(rng.permutation(size.keys), 2)
        values = np.round(rng.lognormal(3, 0.5, len(keys)), 3)
        for low in range(0, len(keys), BATCH):
            part = keys[low : low + BATCH]
            n = len(part)
            times = np.full(n, START + window * WINDOW + low * (WINDOW - 1) // len(keys))
            lines = FORMS["flat"].write(Rows(names.take(part), part, values[low : low + BATCH], times)).rows()
            batch, _ = decoder.decode(Records(offset, offset + n, np.arange(offset, offset + n), times, [*lines]))
            offset += n
            yield from engine.fold(batch)


async def fill(bootstrap: str, app: str, size: Size) -> str:
    """Write the changelog, and return its topic."""
    stream = declared(app)
    table = stream.tables[0]
    client = await Client({"bootstrap_servers": bootstrap}).start()
    settings = {"cleanup.policy": "compact", "max.message.bytes": str(8 << 20)}
    await topics.ensure(client, table.changelog, size.partitions, settings)
    for partition in range(size.partitions):
        writer = FencedWriter(client, table.changelog, partition, transactional_id=f"{app}-{partition}")
        await writer.claim()
        for write in writes(stream, partition, size):
            if write.records:
                await writer.append(write.records)
    await client.stop()
    return table.changelog


class Worker:
    """As much of a worker as a table partition asks for.

    Args:
        client: a started client.
        table: the plan.
        folder: for the local stores.
        memory: what open cells may take; None sets no bound.
    """

    def __init__(self, client: Client, table: TablePlan, folder: Path, memory: Memory | None = None) -> None:
        """Share one place for all partitions."""
        self.client, self.directory, self.kafka = client, folder, client.settings
        self.restores, self.zombie_seconds = Turns(), 0.0
        self.memory = memory or Memory(None)
        self.table_stats = {table.name: TableStats()}
        self.plan = SimpleNamespace(feeds={})

    def changelog(self, table: TablePlan) -> str:
        """Return the topic."""
        return table.changelog

    def writer(self, table: TablePlan, partition: int) -> FencedWriter:
        """Return a fenced writer."""
        return FencedWriter(self.client, table.changelog, partition, transactional_id=f"restore-{partition}")

    def limits(self, writer: FencedWriter) -> Limits:
        """Return the usual limits."""
        del writer
        return Limits()

    async def retention(self, changelog: str) -> None:
        """Return that nothing is deleted."""

    async def max_age(self, changelog: str) -> float:
        """Return a day."""
        del changelog
        return 86_400.0


class Pulse:
    """Measures for how long the event loop did not turn."""

    def __init__(self) -> None:
        """Start beating."""
        self.longest = 0.0
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last - 0.001), now

    def stop(self) -> float:
        """Return the longest pause in ms."""
        self._task.cancel()
        return round(self.longest * 1000, 1)


async def restore(bootstrap: str, app: str, size: Size, folder: Path) -> dict[str, Any]:
    """Restore every partition at once with empty stores, and return the figures."""
    table = declared(app).tables[0]
    client = await Client({"bootstrap_servers": bootstrap}).start()
    runtime: Any = Worker(client, table, folder)
    collector.spare()
    parts = [TablePartition(runtime, table, number) for number in range(size.partitions)]
    pulse, began, spent = Pulse(), time.perf_counter(), time.process_time()
    await asyncio.gather(*(part.open() for part in parts))
    usable, spent, pause = time.perf_counter() - began, time.process_time() - spent, pulse.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = sum(len(part.engine.cells) for part in parts)
    counted = sum(_events(part) for part in parts)
    pulse, began = Pulse(), time.perf_counter()
    while any(part.reader is None for part in parts):  # noqa: ASYNC110 - plain attributes
        await asyncio.sleep(0.01)
    filled, held = time.perf_counter() - began, pulse.stop()
    await asyncio.gather(*(part.close() for part in parts))
    await client.stop()
    return {
        "cells": found, "right": found == size.cells and counted == 2 * size.cells, "seconds": round(usable, 3),
        "cells_per_second": round(found / usable), "cpu_seconds": round(spent, 3), "longest_pause_ms": pause,
        "peak_mib": round(peak), "store_seconds": round(filled, 3), "store_cells_per_second": round(found / filled),
        "store_longest_pause_ms": held,
        "store_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def _events(part: TablePartition) -> int:
    cells = part.engine.cells
    windows = cells.occupied(-(1 << 60), 1 << 60)
    return int(sum(cells.results(k)["events"].values.sum() for k in windows))


def main() -> None:
    """Restore once, in a process of its own, and print the figures."""
    bootstrap, app, *numbers = sys.argv[1:]
    size = Size(*map(int, numbers))
    if os.environ.get(fast.ENVIRONMENT) == "1":
        fast.load()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(restore(bootstrap, app, size, Path(folder)))
    sys.stdout.write("FIGURES " + json.dumps(figures) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
