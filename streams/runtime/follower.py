"""One table partition that another worker has: followed in bulk, in memory and in the local store, ready to take over.

A follower claims nothing, writes nothing to Kafka and sends nothing. It reads the changelog as a restore does: record
batches, each of which is one write, up to the high watermark. What it has is therefore what an owner would restore if
the log ended there, whoever wrote it, and a take-over needs only the rest, up to its claim.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import chain, repeat
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.runtime.ending import ended
from streams.runtime.lineage import Lineage
from streams.runtime.partition import BACKOFF
from streams.runtime.standing import Standing
from streams.transport import recordbatch
from streams.transport.errors import ReadFailed, TransportError
from tables.cells import Cells
from tables.loading import Loader
from tables.reading import reader as reader_of
from tables.records import PROGRESS, Progress
from tables.recovery import OffsetsGone, OtherLog, fill, in_thread, restore
from tables.store import StoreError
from tables.unaligned import unaligned_cells

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.runtime.following import Following
    from streams.runtime.table import TablePartition
    from streams.transport.changelog import ChangelogReader
    from streams.transport.tailing import Answer, Part
    from tables.chunk import Chunk
    from tables.store import Store

log = logging.getLogger(__name__)
TIDY_SECONDS = 10.0
"""How often what has expired is forgotten."""
FRESH_SECONDS = 60.0
"""How often a store to which nothing comes is told that it is up to date: an old one is not used."""


class Follower:
    """Keeps a table partition near what its owner writes.

    Args:
        table: the partition; its lock is held while it is followed.
        following: all that this worker follows.
    """

    def __init__(self, table: TablePartition, following: Following) -> None:
        self.table = table
        self.part: Part = (table.changelog, table.partition)
        self.reason = "not started"
        self._following = following
        self._inbox: asyncio.Queue[Answer] = asyncio.Queue(1)
        self._wants = False
        self._lineage: Lineage | None = None
        self._said = ""
        self._tidied = self._freshened = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    # what others ask

    @property
    def wants(self) -> bool:
        """Whether it can take another answer."""
        return self._wants and self._inbox.empty()

    @property
    def position(self) -> int:
        """The offset of the next record that it wants."""
        return 0 if self.table.standing is None else self.table.standing.position

    @property
    def ready(self) -> bool:
        """Whether it could take over and read only a little."""
        return self.table.standing is not None and self.table.standing.close

    def accept(self, answer: Answer) -> None:
        """Take what a broker said of the partition, if it is still wanted."""
        if self.wants:
            self._inbox.put_nowait(answer)

    # life

    def start(self) -> None:
        """Begin as soon as nobody else works on the partition."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self.table.name}")

    async def stop(self) -> None:
        """Stop between two chunks; store and memory stay as they are, for whoever is next."""
        self._wants = False
        if self._task is not None:
            await ended(self._task)

    async def _run(self) -> None:
        async with self.table.held:
            while True:
                for pause in chain(BACKOFF, repeat(BACKOFF[-1])):
                    if await self._lived():
                        break
                    await asyncio.sleep(pause)

    async def _lived(self) -> bool:
        """Follow until something is wrong; return whether it went well for a while."""
        began = False
        try:
            await self._open()
            self.reason, self._said, began = "", "", True
            while True:
                self._wants = True
                self._following.changed()
                await self._take(await self._inbox.get())
        except (TransportError, StoreError, OffsetsGone, OtherLog) as error:
            self._failed(error)
        except Exception as error:
            self._failed(error)
            log.exception("%s: following stopped for a reason that is not foreseen", self.table.name)
        finally:
            self._wants = False
        return began

    def _failed(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if reason != self._said:
            log.warning("%s: following is begun again: %s", self.table.name, reason)
        self.reason = self._said = reason
        self.table.forget(error)
        self.table.unfollow()

    async def _open(self) -> None:
        """Bring the local store to the present end of the log as a restore does, and the cells out of it to memory."""
        self.reason = "being brought up to date"
        table = self.table
        table.forget()
        local = await table.opened()
        async with table.runtime.restores.filling(), table.connect() as reader:
            await self._catch_up(local.store, reader)
        offset = local.store.offset()
        position = reader.earliest if offset is None else offset
        self._lineage = Lineage(local.store)
        table.warm = await in_thread(warmed, table, local.store)
        table.standing = Standing(position)
        self._show(local.store)

    async def _catch_up(self, store: Store, reader: ChangelogReader) -> None:
        earliest, end = await reader.bounds()
        if end <= earliest:
            if store.offset() is None:
                store.begin(earliest)
            return
        max_age = await self.table.runtime.max_age(self.table.changelog)
        began = time.perf_counter()

        async def read(start: int | None, until: int) -> AsyncIterator[Chunk]:
            nonlocal began
            async for chunk in reader.read(start, until):
                yield chunk
                await self._following.rest(time.perf_counter() - began)
                began = time.perf_counter()

        await restore(
            store, read, end - 1, name=self.table.name, max_age=max_age, earliest=lambda: reader.earliest
        )  # fmt: skip
        self.table.check_whole(store, store.begun(), reader.earliest)

    async def _take(self, answer: Answer) -> None:
        """Apply what came, chunk by chunk, each followed by a rest as long as the work took."""
        standing = self.table.standing
        if standing is None or not _sound(answer):
            return
        found = list(recordbatch.batches(answer.data, 1 << 62))
        for part in recordbatch.portions(found):
            async with self._following.turn:
                began = time.perf_counter()
                chunk = await in_thread(recordbatch.parsed, answer.data, part, standing.position)
                await in_thread(self._apply, chunk)
                standing.position = chunk.hi
                standing.at_end(part[-1].head.max_timestamp / 1000)
                await self._following.rest(time.perf_counter() - began)
        standing.end = answer.end
        if standing.position >= answer.end:
            standing.at_end(answer.at)
            await self._freshen()

    def _apply(self, chunk: Chunk) -> None:
        """Enter a chunk in the store and in memory; blocking."""
        table, store = self.table, self.table.local_store
        if self._lineage is not None:
            self._lineage.follow(chunk)
        fill(store, dict(chunk.items()), chunk.hi)
        if table.warm is not None and fits(table, table.warm, store):
            table.warm.apply(chunk)
        else:
            table.warm = warmed(table, store)
        if table.warm is not None and time.monotonic() - self._tidied > TIDY_SECONDS:
            table.warm.tidy(store.groups())
            self._tidied = time.monotonic()
        self._show(store)

    async def _freshen(self) -> None:
        """Tell a store to which nothing came for a while that it has missed nothing."""
        if time.monotonic() - self._freshened > FRESH_SECONDS and self.table.standing is not None:
            self._freshened = time.monotonic()
            await in_thread(self.table.local_store.write, [], self.table.standing.position)

    def _show(self, store: Store) -> None:
        """Let views read the store, while its cells are of the table as it is declared here."""
        progress, table = _progress(store), self.table
        same = progress is not None and progress.fingerprint == table.plan.fingerprint
        if not same:
            table.reader = None
        elif table.reader is None:
            table.reader = reader_of(table.plan.table, store)


def warmed(table: TablePartition, store: Store) -> Loader | None:
    """Return what a store holds in memory; blocking.

    None where it is of the table as it is declared elsewhere, its windows are not of panes, or memory is bounded: its
    cells are read out of the store when it is taken over.
    """
    progress = _progress(store)
    if table.runtime.memory.bounded or unaligned_cells(table.plan.table) is not None:
        return None
    if progress is None:
        loader = Loader(Cells(table.plan.table))
    elif progress.fingerprint == table.plan.fingerprint:
        loader = Loader(Cells(table.plan.table), progress.shape, progress.before[0])
    else:
        return None
    loader.seed(store)
    return loader


def fits(table: TablePartition, loader: Loader, store: Store) -> bool:
    """Return whether cells in memory are still of the shape in which the owner writes them."""
    progress = _progress(store)
    return progress is None or (progress.fingerprint, progress.shape) == (table.plan.fingerprint, loader.shape)


def _progress(store: Store) -> Progress | None:
    (value,) = store.get_many([PROGRESS])
    return None if value is None else Progress.decode(value)


def _sound(answer: Answer) -> bool:
    """Return whether an answer holds something; a broker that cannot answer now is asked again.

    Raises:
        OffsetsGone: the log does not have the offset.
        ReadFailed: the broker refuses for good.
    """
    error = answer.error
    if error is None:
        return True
    if isinstance(error, OffsetOutOfRangeError):
        raise OffsetsGone(str(error)) from error
    if isinstance(error, KafkaError) and not error.retriable:
        raise ReadFailed(f"the changelog cannot be read: {error!r}") from error
    return False
