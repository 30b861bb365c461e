"""One input partition at work: claim, restore, fold batches, write, release, tick."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from typing import TYPE_CHECKING

from faust.types import TP

from streams.effects import Write
from streams.engine import StreamEngine
from streams.joining import together
from streams.rekey.receiver import RekeyError
from streams.runtime.ending import ended
from streams.runtime.holding import Hold
from streams.runtime.inbox import Inbox
from streams.runtime.inputlog import InputLog
from streams.runtime.starting import start_offset
from streams.runtime.turns import gathered
from streams.transport.bell import Bell
from streams.transport.errors import Fenced, TransportError
from streams.upgrading import StateMismatch
from tables.store import StoreError

if TYPE_CHECKING:
    from streams.effects import Batch, Event, Records
    from streams.plan import StreamPlan
    from streams.runtime.runtime import Runtime
    from streams.runtime.table import TablePartition

log = logging.getLogger(__name__)

BACKOFF = (0.5, 1, 2, 5, 10)
"""Seconds between attempts to open a partition."""
FEW = 5_000
"""Records that are decoded and folded in one turn, which takes some 15 ms at most."""


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
        self.engine = StreamEngine(plan, partition, lookups=runtime.lookups)
        self.engine.stats = runtime.stream_stats[plan.name]
        self.tables = [runtime.table(table, partition) for table in plan.local]
        self.outlets = runtime.outlets(plan, self.origin)
        self.state = State.CLOSED
        self.reason = "not started"
        self.position = 0
        self._log = InputLog(runtime, self.tp, self.origin)
        self._owed: tuple[int, float] | None = None
        self._said, self._next, self._gap = "", -1, False
        self._hold = Hold(time.monotonic)
        self.inbox = Inbox()
        self._work = Bell()
        self._between = asyncio.Event()
        self._between.set()
        self._task: asyncio.Task[None] | None = None
        self._heard = time.monotonic()

    # what others ask

    @property
    def answers(self) -> bool:
        """Whether what it holds may be shown: it is ours, and restored."""
        return self.state in (State.RUNNING, State.PAUSED)

    @property
    def idle(self) -> int | None:
        """The silence of the input, in ms, after which the clock moves on; None is never."""
        return self.plan.stream.idle

    def commit_age(self) -> float:
        """Return for how many seconds something is done that is not committed; 0 if everything is."""
        committed = self.runtime.consumer.committed_here(self.tp)
        if self._owed is None or (committed is not None and committed >= self.position):
            return 0.0
        return time.time() - self._owed[1]

    def wants(self) -> bool:
        """Return whether another batch may be handed in."""
        return self.state is State.RUNNING and self.inbox.room(self.runtime.take.bytes, self.runtime.take.joined)

    def accept(self, records: Records) -> None:
        """Take a fetched batch if it goes on where the last one ended.

        One from before it is stale (fetched before a seek) and dropped; one from beyond it shows that something was
        lost on the way (Faust empties its queues after a rebalance, or the log lost its beginning): it is read again.
        """
        if self.state is State.RUNNING:
            self._log.took(records)
        if self.state is not State.RUNNING or records.lo != self._next:
            log.debug("%s: dropped a batch from offset %d, %d is next", self.origin, records.lo, self._next)
            if self.state is State.RUNNING and records.lo > self._next:
                self._gap = True
                self._work.ring()
            return
        self.inbox.put(records)
        self._next = records.hi
        self._work.ring()

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
        self._work.ring()
        if running:
            try:
                await asyncio.wait_for(self._between.wait(), deadline)
            except TimeoutError:
                log.warning("%s: a batch did not end within %.1f s and is given up", self.origin, deadline)
        await self._cancel()
        self.inbox.clear()

    async def close(self) -> None:
        """Stop at once and close the stores of tables that are not followed from now on."""
        await self._cancel()
        self.state, self.reason = State.CLOSED, "closed"
        for table in self.tables:
            await self.runtime.leave(table)

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await ended(task)
        self._between.set()

    async def _run(self) -> None:
        async with AsyncExitStack() as held:
            for table in self.tables:
                await held.enter_async_context(table.held)
            await self._live()

    async def _live(self) -> None:
        pauses = iter(BACKOFF)
        while True:
            try:
                await self._guarded(self._open())
                self.state, self.reason = State.RUNNING, ""
                self.runtime.changed()
                pauses = iter(BACKOFF)
                await self._process()
            except Fenced as error:
                self._fenced(error)
                await asyncio.sleep(self.runtime.fenced_pause)
            except (TransportError, StoreError, StateMismatch, RekeyError) as error:
                self._fail(error)
            except asyncio.CancelledError:
                if not self._between.is_set():
                    self._forget()
                raise
            except Exception as error:
                self._fail(error)
                log.exception("%s: stopped for a reason that is not foreseen", self.origin)
            await asyncio.sleep(next(pauses, BACKOFF[-1]))

    def _fenced(self, error: Exception) -> None:
        """Leave the partition to whoever took it; only the group can say that it is ours all the same."""
        self.state, self.reason = State.FENCED, str(error)
        log.warning("%s: another worker took over: %s", self.origin, error)
        self._forget()

    def _fail(self, error: Exception) -> None:
        """Say what is wrong, once; the partition is tried again until it is not."""
        reason = f"{type(error).__name__}: {error}"
        if reason != self._said:
            log.error("%s is stopped, and tried again until it can go on: %s", self.origin, reason)
        self.state, self.reason, self._said = State.FAILED, reason, reason
        self.runtime.stats.failures += 1
        self._forget(error)

    def _forget(self, error: Exception | None = None) -> None:
        """Drop what is in memory: it may be ahead of the changelog."""
        self._between.set()
        self._hold.note(held=False)
        self.inbox.clear()
        self._gap = False
        for table in self.tables:
            table.forget(error)

    def _note(self, reason: str) -> None:
        self.reason = reason

    async def _open(self) -> None:
        self.state = State.RESTORING
        self.reason = self.reason or "restoring"
        for table in self.tables:
            table.note = self._note
        self._log.check()
        await self._check_partitions()
        consumer = self.runtime.consumer
        committed = await consumer.committed(self.tp)
        restored = await gathered([table.open() for table in self.tables])
        begin = await consumer.beginning(self.tp)
        start = await self._enter(committed, begin, restored)
        self.position = self._next = start
        self._owed, self._heard = None, time.monotonic()
        self._gap, self._said = False, ""
        self._log.sought(start)
        await consumer.start_at(self.tp, start)
        if start > (begin if committed is None else committed):  # the tables have it all, though nobody has said so
            self._release(start)
        if committed is None and self.outlets:  # where the first block began is where a restart must begin
            await consumer.commit({self.tp})

    async def _enter(self, committed: int | None, begin: int, restored: Sequence[bool]) -> int:
        """Let the tables and outlets begin, and return the offset that is read first."""
        first, engines = await self.runtime.first_offset(self.tp, begin), [table.engine for table in self.tables]
        start = start_offset(self.origin, engines, committed, first, rekeyed=bool(self.outlets))
        if start < begin:
            self._log.say_deleted(start, begin)
        start = max(start, begin)
        for table, anew in zip(self.tables, restored, strict=True):
            if self.origin not in table.engine.progress.origins:
                await self._drive(table, table.engine.start(self.origin, start - 1))
            if anew:
                await self._drive(table, table.engine.resume())
        if self.outlets:
            await self.outlets.begin(start if committed is None else committed)
        return start

    async def _read_again(self) -> None:
        """Seek to what is to be read next, or, where the log has lost that, to its beginning."""
        self._gap = False
        begin = await self.runtime.consumer.beginning(self.tp)
        await self._log.reaches(self._next)
        if self._next < begin:
            self._log.say_deleted(self._next, begin)
        self._next = max(self._next, begin)
        self._log.sought(self._next)
        await self.runtime.consumer.start_at(self.tp, self._next)

    # work

    async def _process(self) -> None:
        while self.state is State.RUNNING:
            if not self.inbox:
                if self._gap:
                    await self._guarded(self._read_again())
                if not await self._work.wait(self._hold.left(self.runtime.tick_interval)):
                    await self._guarded(self._tick() if self._hold.since is None else self._flush())
                continue
            await self._guarded(self._batch(self.runtime.work_of(self)))
            self.runtime.worked(self)
        if self._hold.since is not None:
            await self._guarded(self._flush())

    async def _guarded(self, step: Coroutine[None, None, None]) -> None:
        """Mark the step and what it leaves to be written: a pause lets that end, and what is cancelled is forgotten."""
        self._between.clear()
        await step
        self._hold.note(held=any(table.engine.held for table in self.tables))
        if self._hold.since is None:
            self._between.set()

    async def _batch(self, waiting: Sequence[Records]) -> None:
        """Do all that waits. In a backlog that is several batches, which share their writes."""
        began = time.perf_counter()
        await self._fold(waiting)
        await self._upkeep()
        self.position = waiting[-1].hi
        self._release(self.position)
        records = sum(map(len, waiting))
        self.runtime.note(records)
        self.runtime.stats.batch(records, time.perf_counter() - began)

    async def _fold(self, waiting: Sequence[Records]) -> None:
        """Fold batches into the tables, and send blocks of them to those that are re-keyed."""
        if len(self.tables) == 1 and not self.outlets and sum(map(len, waiting)) <= FEW:
            await self._drive(self.tables[0], self._few(self.tables[0], waiting))
        else:
            with self.runtime.turn.step():
                await self._many(waiting)
        self._heard = time.monotonic()

    def _few(self, table: TablePartition, waiting: Sequence[Records]) -> Iterator[Write]:
        """Decode and fold what is soon done in one turn; dead letters go with the first write, before its records."""
        dead: list[Event] = []
        for write in table.engine.fold_all(self._decoded(waiting, dead), hold=self._may_hold(waiting)):
            write.letters[:0] = dead
            dead.clear()
            yield write
        if dead:
            yield Write(table.engine.progress.n, letters=dead)

    def _decoded(self, waiting: Sequence[Records], dead: list[Event]) -> Iterator[Batch]:
        """Yield what may be folded, and add the dead letters to `dead`."""
        for records in together(waiting, self.runtime.take.joined):
            batch, letters = self.engine.decode(records)
            dead += letters
            yield batch

    async def _many(self, waiting: Sequence[Records]) -> None:
        """Decode batches, then fold them into all tables at once."""
        dead: list[Event] = []
        batches: list[Batch] = []
        decoding = self._decoded(waiting, dead)
        while (batch := await self.runtime.turn.next(decoding)) is not None:
            batches.append(batch)
        if dead:  # before any write: what a table has folded is not read again, nor the bad records among it
            await self.runtime.send(dead)
        hold = self._may_hold(waiting)
        work = [self._drive(table, table.engine.fold_all(batches, hold=hold)) for table in self.tables]
        await gathered([*work, self.outlets.send(batches)] if self.outlets else work)

    def _may_hold(self, waiting: Sequence[Records]) -> bool:
        return not self.outlets and self._hold.may(self.runtime.lag(self) or 0, sum(map(len, waiting)))

    async def _flush(self) -> None:
        """Write what is held."""
        await gathered([self._drive(table, table.engine.flush()) for table in self.tables if table.engine.held])
        self._release(self.position)

    def _release(self, hi: int) -> None:
        """Let all before an offset be committed once it is written, and note since when something waits for that."""
        committed = self.runtime.consumer.committed_here(self.tp)
        if self._owed is None or (committed is not None and committed >= self._owed[0]):
            self._owed = hi, time.time()
        if not any(table.engine.held for table in self.tables):
            self.runtime.consumer.release(self.tp, hi)

    async def _tick(self) -> None:
        """Advance the watermark while the input is silent (DESIGN section 3)."""
        idle = self.idle
        self._log.check()
        self._gap = self._gap or await self._log.lost(self._next)
        await self._upkeep()
        if idle is None or not self.silent():
            return
        silence = int((time.monotonic() - self._heard) * 1000)
        if silence < idle:
            return
        await self.outlets.idle(self.position)
        for table in self.tables:
            closing = table.engine.next_close()
            watermark = table.silent_watermark(self._heard) + silence
            if closing is not None and closing <= watermark:
                await self._drive(table, table.engine.tick(watermark))
            if said := table.engine.idle():
                await self.runtime.send(said)

    async def _check_partitions(self) -> None:
        await self.runtime.check_partitions(self.plan)

    async def _upkeep(self) -> None:
        """Do what time asks for: claims and old records are renewed, and the input must be cut as it was."""
        await self._check_partitions()
        for table in self.tables:
            await table.renew()
        await gathered([self._drive(table, table.rewriting()) for table in self.tables if table.rewrites])

    def silent(self) -> bool:
        """Return whether the input was read to its end and a fetch answered lately that there is nothing new."""
        answered = self.runtime.consumer.caught_up(self.tp, self.position)
        lately = answered is not None and time.time() - answered < self.runtime.answer_timeout
        if not lately:
            self._heard = time.monotonic()
        return lately and not self.inbox

    async def _drive(self, table: TablePartition, writes: Iterator[Write]) -> None:
        """Carry out writes; partitions compute in turns, so that others of the event loop wait for one at most."""
        while (write := await self.runtime.turn.next(writes)) is not None:
            await table.deliver(write)
            if write.last:
                next(writes, None)  # it notes that all is done
                return
