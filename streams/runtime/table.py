"""One table partition at work: its fenced writer, its store, its engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from streams.runtime.localstore import LocalStore
from streams.runtime.restoring import Restoring
from streams.table_engine import TableEngine
from streams.transport.changelog import ChangelogReader, take_over
from streams.transport.errors import StateLost, WriteFailed
from streams.transport.produce import FencedWriter
from tables.deferred import DeferredStore
from tables.reading import reader as reader_of
from tables.records import CLAIM, PROGRESS, Progress, Record
from tables.recovery import RestoreProgress, RestoreResult
from tables.rocks import open_or_rebuild
from tables.store import StoreCorrupt, StoreError

if TYPE_CHECKING:
    from streams.effects import Write
    from streams.plan import TablePlan
    from streams.rekey.sender import Sender
    from streams.runtime.runtime import Runtime
    from streams.runtime.standing import Standing
    from tables.budget import Share
    from tables.loading import Loader
    from tables.reading import AnyReader
    from tables.store import Store

log = logging.getLogger(__name__)


class TablePartition:
    """State and changelog of one partition of one table.

    Args:
        runtime: what all partitions of the worker share.
        plan: of the table.
        partition: its number.

    Attributes:
        note: is told what opening the partition waits for.
        held: the lock of whoever works on the partition: its owner or a follower.
        warm: what a follower knows, as cells in memory; None while there is none.
        standing: where a follower stands, or stood until the partition is restored; None while nobody followed.
        share: what its open cells may take in memory; None without a bound, or while it is not worked on.
    """

    def __init__(self, runtime: Runtime, plan: TablePlan, partition: int) -> None:
        self.runtime, self.plan, self.partition = runtime, plan, partition
        self.engine = TableEngine(plan, partition)
        self.local: LocalStore | None = None
        self.reader: AnyReader | None = None
        self.restored = 0
        self.restoring: RestoreProgress | None = None
        self._writer: FencedWriter | None = None
        self._closing: asyncio.Task[None] | None = None
        self._next: int | None = None
        self.note: Callable[[str], None] = log.info
        self.held = asyncio.Lock()
        self.warm: Loader | None = None
        self.standing: Standing | None = None
        self.share: Share | None = None
        self._intact = False
        self._damaged = False
        self._silence: tuple[float, int] | None = None
        self._retention: float | None = None
        self._earliest = 0

    @property
    def path(self) -> Path:
        """Directory of the local store."""
        return self.runtime.directory / self.plan.name / str(self.partition)

    async def open(self) -> bool:
        """Claim the changelog partition, then bring the state up to the claim (DESIGN section 5, rule 2).

        Returns:
            Whether the state was restored; False if nobody else wrote since this worker's last write.

        Raises:
            StateMismatch: the kept state is of another declaration of the table.
            TransportError: the changelog cannot be had.
            StoreError: the local store cannot be had.
        """
        self._writer = self._writer or self.runtime.writer(self.plan, self.partition)
        if self._intact and await self._writer.claim() == self._next:
            self._claimed(self._writer)
            return False
        await self._load(self._writer)
        return True

    def _claimed(self, writer: FencedWriter) -> None:
        """Note that nobody wrote between our last write and our claim."""
        self._next = (self._next or 0) + 1
        _sign(self.engine, writer)
        self._local.write([Record(CLAIM, msgspec.json.encode(writer.claimed))], self._next)

    async def _load(self, writer: FencedWriter) -> None:
        self.forget()
        local = await self.opened()
        self._retention = await self.runtime.retention(self.changelog)
        max_age = await self.runtime.max_age(self.changelog)
        async with self.runtime.restores.restoring(), self.connect() as reader:
            self.restoring = RestoreProgress(0, 0, None)
            work = Restoring(
                self.plan, local.store, reader, self.name, max_age, self._progress, self.warm,
                bounded=self.runtime.memory.bounded,
            )  # fmt: skip
            result = await take_over(
                writer, work.up_to, waiting=self.note, wait_seconds=self.runtime.zombie_seconds
            )  # fmt: skip
        self.restored, self.restoring = result.records, None
        self._earliest = reader.earliest if writer.fenced else 0
        self._promoted(work.loader, result)
        await self._begin(writer, work.loader)
        if work.loader is not None:
            self.engine.behind = True
            local.fill(self.connect, self._next or 0, self.runtime.restores, max_age, self._filled)

    def _promoted(self, loader: Loader | None, result: RestoreResult) -> None:
        """Say what a follower spared, if there was one."""
        followed, warm = self.standing is not None, loader is not None and loader is self.warm
        self.unfollow()
        if followed and not result.rebuilt:
            self.runtime.stats.promotions += 1
            log.info(
                "%s: taken over from its standby%s; %d records of the changelog were missing",
                self.name,
                "" if warm else ", whose cells are read out of the local store",
                result.records,
            )

    async def _begin(self, writer: FencedWriter, loader: Loader | None) -> None:
        """Make the engine of what was restored: in memory, or in the store."""
        store = self._local.store
        self._next = store.offset() if loader is None else loader.position
        kept, begun = (store, store.begun()) if loader is None else (loader.kept, loader.begun)
        self.check_whole(kept, begun if writer.fenced else 0, self._earliest)
        limits, cells = self.runtime.limits(writer), None if loader is None else loader.cells
        self.share = self.share or self.runtime.memory.share()
        engine = TableEngine(self.plan, self.partition, limits, await self._senders(), cells=cells, share=self.share)
        engine.stats = self.runtime.table_stats[self.plan.name]
        for _ in engine.loading(store, loader):
            await asyncio.sleep(0)
        if not engine.progress.n:
            engine.progress.floor = (self._next or 1) - 1
        _sign(engine, writer)
        self.engine = engine
        self.reader = reader_of(self.plan.table, store, engine.shapes) if loader is None else None
        self._intact = True

    async def _senders(self) -> list[Sender]:
        """Return what sends the closed rows to the tables that read them; its running time starts from nothing."""
        feeds = self.runtime.plan.feeds.get(self.plan.name, ())
        return [await self.runtime.sender(each, f"{self.plan.changelog}-{self.partition}") for each in feeds]

    def _filled(self) -> None:
        """Let views, expiry and rewriting read the store, which has everything now."""
        self.engine.behind = False
        self.reader = reader_of(self.plan.table, self._local.store, self.engine.shapes)

    def unfollow(self) -> None:
        """Forget what a follower had in memory; the local store stays."""
        self.warm = self.standing = None

    @property
    def changelog(self) -> str:
        """The changelog topic: the generation that the declaration goes on with."""
        return self.runtime.changelog(self.plan)

    @property
    def name(self) -> str:
        """What the partition is called in the log."""
        return f"table {self.plan.name}, partition {self.partition}"

    def connect(self) -> ChangelogReader:
        """Return a reader of the changelog partition, not connected yet."""
        return ChangelogReader(self.runtime.kafka, self.changelog, self.partition)

    async def opened(self) -> LocalStore:
        """Return the local store, opened if it is not, and filled by nobody."""
        if self._closing is not None:
            await self._closing
        if self.local is None:
            self.local = LocalStore(await asyncio.to_thread(self._open_store), self.name)
        await self.local.ended()
        return self.local

    def check_whole(self, kept: Store, begun: int, earliest: int) -> None:
        """See that the changelog had everything; a store that was intact writes again what the log has lost.

        Args:
            kept: holds the restored progress.
            begun: the first offset that the log had when store or cells were begun from nothing, which may have been in
                an earlier life.
            earliest: the first offset that the log has.

        Raises:
            StateLost: it had not, nor had the store.
        """
        name = f"changelog {self.changelog}-{self.partition}"
        (value,) = kept.get_many([PROGRESS])
        progress = None if value is None else Progress.decode(value)
        if progress is None or progress.floor >= max(begun, earliest):
            return
        if progress.floor < begun:
            raise StateLost(
                f"{name} began at offset {begun} when it was read, and its state needs all from {progress.floor} on. "
                f"Records were deleted by hand, or its retention is too short. Bring the topic back from a copy, or "
                f"start over with `streams reset`"
            )
        log.warning(
            "%s begins at offset %d, and what was written from %d on is needed: the local store has it, and writes it "
            "again",
            name,
            earliest,
            progress.floor,
        )

    def _open_store(self) -> DeferredStore:
        """Open the local store; damaged files are put aside, and what they held comes back from the changelog."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        store, damage = open_or_rebuild(self.path, self.runtime.memory.cache)
        if damage is not None:
            log.error("%s; it was put aside and is rebuilt from the changelog", damage)
        elif self._damaged:
            log.error("store %s was damaged; it is put aside and rebuilt from the changelog", self.path)
            store.put_aside()
        self._damaged = False
        return self.runtime.memory.deferred(store)

    def _progress(self, progress: RestoreProgress) -> None:
        self.restoring = progress

    @property
    def store(self) -> Store | None:
        """The local store, None while it is not open."""
        return None if self.local is None else self.local.store

    @property
    def _behind(self) -> bool:
        return self.local is not None and self.local.behind

    @property
    def local_store(self) -> Store:
        """The local store, which must be open."""
        return self._local.store

    @property
    def _local(self) -> LocalStore:
        if self.local is None:
            raise RuntimeError(f"{self.name}, is not open")
        return self.local

    async def deliver(self, write: Write) -> None:
        """Carry out a write: letters, changelog, events, local store, in this order (rules 3 and 5)."""
        writer, local = self._writer, self._local
        if writer is None:
            raise RuntimeError(f"{self.name}, is not claimed")
        if write.letters:
            await self.runtime.send(write.letters)
        if write.records:
            self._next = await writer.append(write.records) + len(write.records)
        if write.events:
            await self.runtime.send(write.events)
        if write.records:
            local.write(write.records, self._next or 0)

    async def renew(self) -> None:
        """Claim again when the last claim is old: a broker forgets a producer id that is not used (rule 2)."""
        writer = self._writer
        offset = None if writer is None or not self._intact else await writer.renew()
        if writer is None or offset is None:
            return
        if offset != self._next:
            raise WriteFailed(f"{writer.topic}-{writer.partition}: another owner wrote at offset {self._next}")
        self._claimed(writer)

    @property
    def rewrites(self) -> bool:
        """Whether it is time to write again what lives: before the broker's retention deletes it.

        A changelog that lost its beginning gets it back in the same way, from the local store.
        """
        kept, progress = self._retention, self.engine.progress
        old = kept is not None and time.time() - progress.rewritten / 1000 > kept / 2
        return self._intact and not self._behind and (old or progress.floor < self._earliest)

    def rewriting(self) -> Iterator[Write]:
        """Return a part of what lives, to be written again, if that is due."""
        return self.engine.rewrite(int(time.time() * 1000), self._next or 0) if self.rewrites else iter(())

    def silent_watermark(self, since: float) -> int:
        """Return the watermark at the beginning of the silence that began at monotonic second `since`."""
        if self._silence is None or self._silence[0] != since:
            self._silence = since, self.engine.progress.silent_watermark
        return self._silence[1]

    def forget(self, error: Exception | None = None) -> None:
        """Drop the state in memory, and after an error of its store the store's handle: both are made anew.

        Args:
            error: why.
        """
        self._intact = False
        self.restoring = None
        if self.local is not None:
            self.local.cancel()
        if isinstance(error, StoreError) and error.directory == self.path:
            self._damaged = isinstance(error, StoreCorrupt)
            self._close_store()

    async def close(self) -> None:
        """Close the local store."""
        self.forget()
        self.unfollow()
        if self.share is not None:
            self.share.end()
            self.share = None
        self._close_store()
        if self._closing is not None:
            await self._closing

    def _close_store(self) -> None:
        """Close the store; where a thread still fills it, as soon as that has ended."""
        self.reader = None
        local, self.local = self.local, None
        if local is not None and local.behind:
            self._closing = asyncio.create_task(local.close(), name=f"close {self.name}")
        elif local is not None:
            local.store.close()


def _sign(engine: TableEngine, writer: FencedWriter) -> None:
    """Let progress say under which claim it is written: no log holds the progress of another like it."""
    if writer.claimed is not None:
        engine.progress.owner, engine.progress.producer = writer.claimed.owner, writer.claimed.producer_id
