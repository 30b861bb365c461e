"""One table partition at work: its fenced writer, its store, its engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from streams.table_engine import TableEngine
from streams.transport.changelog import ChangelogReader, take_over
from streams.transport.produce import FencedWriter
from tables.query import Reader
from tables.recovery import RestoreProgress
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
        self.restoring: RestoreProgress | None = None
        self._writer: FencedWriter | None = None
        self._next: int | None = None
        self._intact = False
        self._silence: tuple[float, int] | None = None

    @property
    def path(self) -> Path:
        """Directory of the local store."""
        return self.runtime.directory / self.plan.name / str(self.partition)

    async def open(self) -> bool:
        """Claim the changelog partition, then bring the state up to the claim (DESIGN section 5, rule 2).

        Returns:
            Whether the state was restored; False if nobody else wrote since this worker's last write.
        """
        self._writer = self._writer or self.runtime.writer(self.plan, self.partition)
        if self._intact and await self._writer.claim() == self._next:
            await self._claimed()
            return False
        await self._load(self._writer)
        return True

    async def _claimed(self) -> None:
        """Note that nobody wrote between our last write and our claim."""
        self._next = (self._next or 0) + 1
        self._store.write([], self._next)

    async def _load(self, writer: FencedWriter) -> None:
        self.forget()
        if self.store is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.store = await asyncio.to_thread(RocksStore, self.path)
        async with ChangelogReader(self.runtime.kafka, self.plan.changelog, self.partition) as reader:
            self.restoring = RestoreProgress(0, 0, None)
            result = await take_over(writer, reader, self.store, progress=self._progress)
        self.restored, self.restoring = result.records, None
        self.engine = TableEngine(self.plan, self.partition, self.runtime.limits(writer))
        self.engine.stats = self.runtime.table_stats[self.plan.name]
        self.engine.load(self.store)
        self.reader = Reader(self.plan.table, self.store)
        self._next, self._intact = self.store.offset(), True

    def _progress(self, progress: RestoreProgress) -> None:
        self.restoring = progress

    @property
    def _store(self) -> RocksStore:
        if self.store is None:
            raise RuntimeError(f"table {self.plan.name}, partition {self.partition}, is not open")
        return self.store

    async def deliver(self, write: Write) -> None:
        """Carry out a write: letters, changelog, events, local store, in this order (DESIGN section 5, rules 3 and 5)."""
        writer, store = self._writer, self._store
        if writer is None:
            raise RuntimeError(f"table {self.plan.name}, partition {self.partition}, is not claimed")
        if write.letters:
            await self.runtime.send(write.letters)
        if write.records:
            self._next = await writer.append(write.records) + len(write.records)
        if write.events:
            await self.runtime.send(write.events)
        if write.records:
            store.write(write.records, self._next)

    async def renew(self) -> None:
        """Claim again when the last claim is old: a broker forgets a producer id that is not used (rule 2)."""
        if self._writer is not None and await self._writer.renew() is not None:
            await self._claimed()

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
