"""A re-key in a Harness: what an input partition sends, and the table partitions that receive it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streams.effects import Event, Records
from streams.names import CHANGELOG_BATCH
from streams.rekey.receiver import BlockReceiver
from streams.rekey.sender import Sender
from streams.table_engine import TableEngine
from streams.testing.driven import LaneTable
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.effects import Batch
    from streams.planned import StreamPlan, TablePlan


class Outlets:
    """Sends what one input partition reads to the re-keyed tables of its stream.

    Args:
        plan: of the stream.
        origin: the input partition, `topic-partition`.
        partitions: of every topic.
    """

    def __init__(self, plan: StreamPlan, origin: str, partitions: int) -> None:
        """Begin with nothing sent."""
        self._senders = [Sender(table, origin, partitions, CHANGELOG_BATCH) for table in plan.rekeyed]
        self._said_idle = False

    def send(self, batch: Batch) -> Iterator[Event]:
        """Yield the dead letters and blocks of a batch."""
        self._said_idle = False
        for sender in self._senders:
            sent = sender.send(batch)
            yield from sent.letters
            yield from sent.blocks

    def idle(self, at: int) -> Iterator[Event]:
        """Yield, once in a silence, the blocks that tell of it; the input was read to offset `at`."""
        if not self._said_idle:
            self._said_idle = True
            for sender in self._senders:
                yield from sender.idle(at)


class Inlet:
    """One partition of one re-keyed table.

    Args:
        plan: of the table.
        partition: its number.
        origins: every partition of what it reads.
        idle: the silence, in ms, after which all of its streams say that they are; None is never.
        senders: to the tables that read it.
    """

    def __init__(
        self, plan: TablePlan, partition: int, origins: Sequence[str], idle: int | None, senders: Sequence[Sender] = ()
    ) -> None:
        """Open the table, empty."""
        self.topic, self.partition = str(plan.repartition), partition
        self.table = LaneTable.opened(TableEngine(plan, partition, senders=senders))
        self._receiver = BlockReceiver(self.table.engine, origins, partition)
        self._idle = idle
        self._position = 0
        self._heard: int | None = None
        self._began = NEVER
        list(self.table.drive(self._receiver.start()))
        list(self.table.drive(self.table.engine.resume()))

    def receive(self, value: bytes | None, clock: int) -> Iterator[Event]:
        """Fold the block that a record holds, and yield what is produced."""
        at = self._position
        self._position += 1
        one = np.array([at])
        blocks, letters = self._receiver.receive(Records(at, at + 1, one, one, [value]))
        yield from letters
        yield from self.table.drive(self._receiver.fold(blocks))
        if any(not block.idle for block, _ in blocks):
            self._heard, self._began = clock, NEVER

    def silence(self, clock: int) -> Iterator[Event]:
        """Advance the watermark if every origin says that it is silent, and yield what is produced."""
        engine, reached = self.table.engine, self.table.engine.progress.silent_watermark
        if self._idle is None or not self._receiver.silent:
            return
        if self._heard is not None and reached > NEVER:
            self._began = reached if self._began == NEVER else self._began
            closing, watermark = engine.next_close(), self._began + clock - self._heard
            if closing is not None and closing <= watermark:
                yield from self.table.drive(engine.tick(watermark))
        yield from engine.idle()

    def only(self, topics: Collection[str]) -> None:
        """Forget the origins that are of none of these topics: they hold nothing back."""
        left = [each for each in self._receiver.origins if each.rpartition("-")[0] in topics]
        self._receiver = BlockReceiver(self.table.engine, left, self.partition)
        list(self.table.drive(self._receiver.start()))
