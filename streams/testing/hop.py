"""A re-key in a Harness: what an input partition sends, and the table partitions that receive it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        origins: every partition of its stream.
    """

    def __init__(self, plan: TablePlan, partition: int, origins: Sequence[str]) -> None:
        """Open the table, empty."""
        self.topic = str(plan.repartition)
        self.table = LaneTable.opened(TableEngine(plan, partition))
        self._receiver = BlockReceiver(self.table.engine, origins, partition)
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
        engine, reached = self.table.engine, self.table.engine.progress.watermark
        if self._heard is None or reached == NEVER or not self._receiver.silent:
            return
        self._began = reached if self._began == NEVER else self._began
        closing, watermark = engine.next_close(), self._began + clock - self._heard
        if closing is not None and closing <= watermark:
            yield from self.table.drive(engine.tick(watermark))
