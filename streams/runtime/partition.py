"""One input partition at work: claim, restore, fold batches, write, release, tick."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from enum import Enum
from typing import TYPE_CHECKING

from faust.types import TP

from streams.engine import StreamEngine
from streams.runtime.table import TablePartition
from streams.transport.errors import Fenced, TransportError
from tables.store import StoreError

if TYPE_CHECKING:
    from streams.effects import Records, Write
    from streams.plan import StreamPlan
    from streams.runtime.runtime import Runtime

log = logging.getLogger(__name__)

INBOX = 2
"""Fetched batches that may wait while one is processed."""
BACKOFF = (0.5, 1, 2, 5, 10)
"""Seconds between attempts to open a partition."""


class State(Enum):
    """Where a partition stands."""

    RESTORING = "restoring"
    RUNNING = "running"
    PAUSED = "paused"
    FENCED = "fenced"
    FAILED = "failed"
    CLOSED = "closed"


class InputPartition:
    """Everything this worker does for one partition of one stream's topic.

    Args:
        runtime: what all partitions of the worker share.
        plan: of the stream.
        partition: its number.
    """

    def __init__(self, runtime: Runtime, plan: StreamPlan, partition: int) -> None:
        self.runtime, self.plan, self.partition = runtime, plan, partition
        self.tp = TP(plan.stream.topic, partition)
        self.origin = f"{plan.stream.topic}-{partition}"
        self.engine = StreamEngine(plan, partition)
        self.engine.stats = runtime.stream_stats[plan.name]
        self.tables = [TablePartition(runtime, table, partition) for table in plan.tables]
        self.state = State.CLOSED
        self.reason = "not started"
        self.position = 0
        self._owed: tuple[int, float] | None = None
        self._next = -1
        self._inbox: deque[Records] = deque()
        self._work = asyncio.Event()
        self._between = asyncio.Event()
        self._between.set()
        self._task: asyncio.Task[None] | None = None
        self._heard = time.monotonic()

    # what others ask

    @property
    def answers(self) -> bool:
        """Whether what it holds may be shown: it is ours, and restored."""
        return self.state in (State.RUNNING, State.PAUSED)

    def commit_age(self) -> float:
        """Return for how many seconds something is done that is not committed; 0 if everything is."""
        committed = self.runtime.consumer.committed_here(self.tp)
        if self._owed is None or (committed is not None and committed >= self.position):
            return 0.0
        return time.time() - self._owed[1]

    def wants(self) -> bool:
        """Return whether another batch may be handed in."""
        return self.state is State.RUNNING and len(self._inbox) < INBOX

    def accept(self, records: Records) -> None:
        """Take a fetched batch if it goes on where the last one ended; a stale one (before a seek) is dropped."""
        if self.state is not State.RUNNING or records.lo != self._next:
            log.debug("%s: dropped a stale batch from offset %d", self.origin, records.lo)
            return
        self._inbox.append(records)
        self._next = records.hi
        self._work.set()

    # life

    def start(self) -> None:
        """Begin (or go on after a rebalance): claim, restore what is missing, read on."""
        if self._task is None or self._task.done():
            self.state, self.reason = State.RESTORING, "waiting to be restored"
            self._task = asyncio.create_task(self._run(), name=f"partition {self.origin}")

    async def pause(self, deadline: float) -> None:
        """Stop between two batches; what has begun ends, or is given up after `deadline` seconds."""
        running = self.state is State.RUNNING
        self.state, self.reason = State.PAUSED, "rebalancing"
        if running:
            try:
                await asyncio.wait_for(self._between.wait(), deadline)
            except TimeoutError:
                log.warning("%s: a batch did not end within %.1f s and is given up", self.origin, deadline)
        await self._cancel()
        self._inbox.clear()

    async def close(self) -> None:
        """Stop at once and close the stores."""
        await self._cancel()
        self.state, self.reason = State.CLOSED, "closed"
        for table in self.tables:
            table.close()

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._between.set()

    async def _run(self) -> None:
        for attempt in _attempts():
            try:
                await self._guarded(self._open())
                self.state, self.reason = State.RUNNING, ""
                self.runtime.changed()
                await self._process()
            except Fenced as error:
                self._fenced(error)
                await asyncio.sleep(self.runtime.fenced_pause)
            except (TransportError, StoreError) as error:
                self._fail(error)
            except asyncio.CancelledError:
                if not self._between.is_set():
                    self._forget()
                raise
            except Exception as error:  # noqa: BLE001 - a partition must say what is wrong and try again, not vanish
                self._fail(error)
                log.exception("%s: stopped and will be restored", self.origin)
            await asyncio.sleep(attempt)

    def _fenced(self, error: Exception) -> None:
        """Leave the partition to whoever took it; only the group can say that it is ours all the same."""
        self.state, self.reason = State.FENCED, str(error)
        log.warning("%s: another worker took over: %s", self.origin, error)
        self._forget()

    def _fail(self, error: Exception) -> None:
        self.state, self.reason = State.FAILED, f"{type(error).__name__}: {error}"
        self.runtime.stats.failures += 1
        log.error("%s: %s; it will be restored", self.origin, self.reason)
        self._forget()

    def _forget(self) -> None:
        """Drop what is in memory: it may be ahead of the changelog."""
        self._between.set()
        self._inbox.clear()
        for table in self.tables:
            table.forget()

    async def _open(self) -> None:
        self.state = State.RESTORING
        consumer = self.runtime.consumer
        committed = await consumer.committed(self.tp)
        restored = await asyncio.gather(*(table.open() for table in self.tables))
        begin = await consumer.beginning(self.tp)
        start = self._start(committed, begin, await self.runtime.first_offset(self.tp, begin))
        for table, anew in zip(self.tables, restored, strict=True):
            if self.origin not in table.engine.progress.origins:
                await self._drive(table, table.engine.start(self.origin, start - 1))
            if anew:
                await self._drive(table, table.engine.resume())
        self.position = self._next = start
        self._owed = None
        self._heard = time.monotonic()
        await consumer.start_at(self.tp, start)

    def _start(self, committed: int | None, begin: int, first: int) -> int:
        """DESIGN section 5, rule 6: the least progress of the tables; the commit only where none has any."""
        known = [table.engine.progress.origins.get(self.origin) for table in self.tables]
        have = [origin.z + 1 for origin in known if origin is not None]
        for table, origin in zip(self.tables, known, strict=True):
            if origin is None and committed is not None:
                log.error(
                    "%s: offset %d is committed, but table %s has no state in its changelog: it starts empty there. "
                    "If the table is not new, its state was lost; `streams reset` counts again from the beginning",
                    self.origin,
                    committed,
                    table.plan.table.name,
                )
        start = min(have) if have else first if committed is None else committed
        if start < begin:
            log.error(
                "%s: offsets %d to %d were deleted from the topic before they were read; reading goes on at %d",
                self.origin,
                start,
                begin - 1,
                begin,
            )
        return max(start, begin)

    # work

    async def _process(self) -> None:
        while self.state is State.RUNNING:
            if not self._inbox:
                self._work.clear()
                try:
                    await asyncio.wait_for(self._work.wait(), self.runtime.tick_interval)
                except TimeoutError:
                    await self._guarded(self._tick())
                continue
            await self._guarded(self._batch(self._inbox.popleft()))
            self.runtime.changed()

    async def _guarded(self, step: Coroutine[None, None, None]) -> None:
        """Mark the step, so that a pause lets it end and a cancelled one is forgotten."""
        self._between.clear()
        await step
        self._between.set()

    async def _batch(self, records: Records) -> None:
        began = time.perf_counter()
        batch, dead = self.engine.decode(records)
        await asyncio.sleep(0)
        if dead:  # before any write: what a table has folded is not read again, nor the bad records among it
            await self.runtime.send(dead)
        await asyncio.gather(*(self._drive(table, table.engine.fold(batch)) for table in self.tables))
        self.position = records.hi
        self._release(records.hi)
        self._heard = time.monotonic()
        self.runtime.stats.batch(len(records), time.perf_counter() - began)

    def _release(self, hi: int) -> None:
        """Let everything before an offset be committed, and note since when something waits for it."""
        committed = self.runtime.consumer.committed_here(self.tp)
        if self._owed is None or (committed is not None and committed >= self._owed[0]):
            self._owed = hi, time.time()
        self.runtime.consumer.release(self.tp, hi)

    async def _tick(self) -> None:
        """Advance the watermark while the input is silent (DESIGN section 3)."""
        idle = self.plan.stream.idle
        await asyncio.gather(*(table.renew() for table in self.tables))
        if idle is None or not self.silent():
            return
        silence = int((time.monotonic() - self._heard) * 1000)
        if silence < idle:
            return
        for table in self.tables:
            closing = table.engine.next_close()
            watermark = table.silent_watermark(self._heard) + silence
            if closing is not None and closing <= watermark:
                await self._drive(table, table.engine.tick(watermark))

    def silent(self) -> bool:
        """Return whether the input was read to its end and a fetch answered lately that there is nothing new."""
        answered = self.runtime.consumer.caught_up(self.tp, self.position)
        lately = answered is not None and time.time() - answered < self.runtime.answer_timeout
        if not lately:
            self._heard = time.monotonic()
        return lately and not self._inbox

    async def _drive(self, table: TablePartition, writes: Iterator[Write]) -> None:
        for write in writes:
            await table.deliver(write)
            await asyncio.sleep(0)


def _attempts() -> Iterator[float]:
    yield from BACKOFF
    while True:
        yield BACKOFF[-1]
