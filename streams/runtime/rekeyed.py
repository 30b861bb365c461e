"""A re-key at work: an input partition sends blocks, a partition of the repartition topic feeds its table."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from faust.types import TP

from streams.rekey.receiver import BlockReceiver, Received
from streams.rekey.sender import Sender
from streams.runtime.inputlog import InputLog
from streams.runtime.partition import InputPartition

if TYPE_CHECKING:
    from streams.effects import Batch, Event, Records
    from streams.planned import StreamPlan, TablePlan
    from streams.runtime.runtime import Runtime

log = logging.getLogger(__name__)

GROUP = 50_000
"""Rows after which a write is made, so that nobody waits long for the event loop."""


class Outlets:
    """Sends what one input partition reads to the re-keyed tables of its stream.

    Args:
        runtime: what all partitions of the worker share.
        plan: of the stream.
        origin: the input partition, `topic-partition`.
    """

    def __init__(self, runtime: Runtime, plan: StreamPlan, origin: str) -> None:
        self._runtime, self._plan, self._origin = runtime, plan, origin
        self._senders: list[Sender] = []
        self._next = 0
        self._said_idle = False

    def __bool__(self) -> bool:
        """Return whether any table of the stream is re-keyed."""
        return bool(self._plan.rekeyed)

    async def begin(self, start: int) -> None:
        """Start anew (DESIGN section 5, rule 8: the running watermark starts from nothing).

        Args:
            start: the offset up to which everything was acknowledged; what the topic has lost since counts as read.
        """
        self._senders, self._next, self._said_idle = [], start, False
        for table in self._plan.rekeyed:
            self._senders.append(await self._runtime.sender(table, self._origin))

    async def send(self, batches: Sequence[Batch]) -> None:
        """Send batches, and return when every destination has acknowledged its blocks."""
        if not self:
            return
        events: list[Event] = []
        for batch in batches:
            whole = replace(batch, lo=min(batch.lo, self._next))
            self._next = batch.hi
            for sender in self._senders:
                async with self._runtime.turn:
                    sent = sender.send(whole)
                events += sent.letters + sent.blocks
        self._said_idle = False
        await self._runtime.send(events)

    async def idle(self, at: int) -> None:
        """Tell every destination, once, that the input was read to offset `at`, its end, and is silent."""
        if self._said_idle or not self:
            return
        await self._runtime.send([event for sender in self._senders for event in sender.idle(at)])
        self._said_idle = True


class RekeyedPartition(InputPartition):
    """Everything this worker does for one partition of a table's repartition topic.

    Args:
        runtime: what all partitions of the worker share.
        table: the re-keyed table.
        partition: its number.
    """

    def __init__(self, runtime: Runtime, table: TablePlan, partition: int) -> None:
        super().__init__(runtime, replace(runtime.plan.streams[table.streams[0]], tables=()), partition)
        self.tp = TP(str(table.repartition), partition)
        self.origin = f"{table.repartition}-{partition}"
        self._log = InputLog(runtime, self.tp, self.origin)
        self.tables = [runtime.table(table, partition)]
        self._receiver: BlockReceiver | None = None

    @property
    def receiver(self) -> BlockReceiver:
        """What feeds the table's present engine."""
        engine = self.tables[0].engine
        if self._receiver is None or self._receiver.engine is not engine:
            origins = self.runtime.plan.origins(engine.plan.name, self.runtime.counts)
            self._receiver = BlockReceiver(engine, origins, self.partition)
        return self._receiver

    @property
    def idle(self) -> int | None:
        """The silence after which all streams of the table have said that they are."""
        return self.runtime.plan.idle(self.tables[0].plan.name)

    async def _check_partitions(self) -> None:
        for name in self.tables[0].plan.streams:
            await self.runtime.check_partitions(self.runtime.plan.streams[name])

    async def _enter(self, committed: int | None, begin: int, restored: Sequence[bool]) -> int:
        """DESIGN section 5, rule 6: a receiver starts at the commit; what it has folded already says nothing."""
        (table,) = self.tables
        if committed is not None and not table.engine.progress.origins:
            log.error(
                "%s: offset %d is committed, but table %s has no state in its changelog: it starts empty there, and "
                "what it had was lost",
                self.origin,
                committed,
                table.plan.name,
            )
        await self._drive(table, self.receiver.start())
        if restored[0]:
            await self._drive(table, table.engine.resume())
        return max(begin, begin if committed is None else committed)

    async def _fold(self, waiting: Sequence[Records]) -> None:
        """Fold the blocks that wait."""
        (table,) = self.tables
        blocks: list[Received] = []
        letters: list[Event] = []
        for records in waiting:
            async with self.runtime.turn:
                found, bad = self.receiver.receive(records)
            blocks += found
            letters += bad
        if letters:
            await self.runtime.send(letters)
        for group in groups(blocks):
            await self._drive(table, self.receiver.fold(group))
        if any(not block.idle for block, _ in blocks):
            self._heard = time.monotonic()

    def silent(self) -> bool:
        """Return whether every origin says that it is silent, and all that they said was read."""
        return super().silent() and self.receiver.silent


def groups(blocks: Sequence[Received]) -> Iterator[list[Received]]:
    """Yield blocks in order, in groups of about `GROUP` rows."""
    group: list[Received] = []
    rows = 0
    for block, found in blocks:
        group.append((block, found))
        rows += block.count
        if rows >= GROUP:
            yield group
            group, rows = [], 0
    if group:
        yield group
