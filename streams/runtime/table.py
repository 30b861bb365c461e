"""One table partition at work: its fenced writer, its store, its engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from streams.table_engine import TableEngine
from streams.transport.fetch import ChangelogReader
from streams.transport.produce import FencedWriter
from tables.query import Reader
from tables.recovery import restore
from tables.rocks import RocksStore

if TYPE_CHECKING:
    from streams.effects import Write
    from streams.plan import TablePlan
    from streams.runtime.runtime import Runtime


class TablePartition:
    """State and changelog of one partition of one table.

    Args:
        runtime: what all partitions of the worker share.
        plan: of the table.
        partition: its number.
    """

    def __init__(self, runtime: Runtime, plan: TablePlan, partition: int) -> None:
        self.runtime, self.plan, self.partition = runtime, plan, partition
        self.engine = TableEngine(plan, partition)
        self.store: RocksStore | None = None
        self.reader: Reader | None = None
        self.restored = 0
        self.to_restore = 0
        self._writer: FencedWriter | None = None
        self._next: int | None = None
        self._intact = False
        self._silence: tuple[float, int] | None = None

    @property
    def path(self) -> Path:
        """Directory of the local store."""
        return self.runtime.directory / self.plan.table.name / str(self.partition)

    async def open(self) -> bool:
        """Claim the changelog partition, then bring the state up to the claim (DESIGN section 5, rule 2).

        Returns:
            Whether the state was restored; False if nobody else wrote since this worker's last write.
        """
        self._writer = self._writer or self.runtime.writer(self.plan, self.partition)
        claim = await self._writer.claim()
        if self._intact and claim == self._next:
            self._next = claim + 1
            return False
        await self._load(claim)
        return True

    async def _load(self, claim: int) -> None:
        self.forget()
        if self.store is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.store = await asyncio.to_thread(RocksStore, self.path)
        async with ChangelogReader(self.runtime.kafka, self.plan.changelog, self.partition) as reader:
            await restore(self.store, reader, claim, progress=self._progress)
        self.engine = TableEngine(self.plan, self.partition, self.runtime.limits(self._writer))
        self.engine.load(self.store)
        self.reader = Reader(self.plan.table, self.store)
        self._next, self._intact = claim + 1, True

    def _progress(self, done: int, left: int) -> None:
        self.restored, self.to_restore = done, left

    async def deliver(self, write: Write) -> None:
        """Carry out a write: changelog, then its events, then the local store (DESIGN section 5, rules 3 and 5)."""
        writer, store = self._writer, self.store
        if writer is None or store is None:
            raise RuntimeError(f"table {self.plan.table.name}, partition {self.partition}, is not open")
        base = await writer.append(write.records)
        if write.events:
            await self.runtime.send(write.events)
        self._next = base + len(write.records)
        store.write(write.records, self._next)

    def silent_watermark(self, since: float) -> int:
        """Return the watermark at the beginning of the silence that began at monotonic second `since`."""
        if self._silence is None or self._silence[0] != since:
            self._silence = since, self.engine.progress.watermark
        return self._silence[1]

    def forget(self) -> None:
        """Drop the state in memory: it is read again before the next batch."""
        self._intact = False

    def close(self) -> None:
        """Close the local store."""
        self.forget()
        self.reader = None
        store, self.store = self.store, None
        if store is not None:
            store.close()
