"""One input partition of one stream in a Harness: its engine, its tables, their stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.effects import Event, Records
from streams.engine import StreamEngine
from streams.event_time import event_time
from streams.table_engine import TableEngine
from streams.testing.driven import LaneTable
from streams.testing.hop import Outlets
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.lookup import Lookup
    from streams.planned import StreamPlan, TablePlan
    from streams.rekey.sender import Sender

    Senders = Callable[[TablePlan, int], list[Sender]]


class Lane:
    """One input partition of one stream.

    Args:
        plan: of the stream.
        partition: its number.
        partitions: of every topic.
        senders: returns what sends the closed rows of a table partition to the tables that read them.
        lookups: by name.
        ahead: whether event time is checked against `max_ahead`.

    Attributes:
        first: the least event time that was folded, in ms; None before the first.
    """

    def __init__(  # noqa: PLR0913 - what all lanes share
        self,
        plan: StreamPlan,
        partition: int,
        partitions: int,
        senders: Senders,
        lookups: Mapping[str, Lookup],
        *,
        ahead: bool = True,
    ) -> None:
        """Open its tables, empty."""
        self.topic, self.partition = plan.stream.topic, partition
        self._plan = plan
        self._engine = StreamEngine(plan, partition, lookups=lookups, ahead=ahead)
        self._decoder = plan.codec.compile(plan.fields)
        self.first: int | None = None
        self._next = 0
        self._heard: int | None = None
        self._silent_from: dict[str, int] = {}
        self.tables = [self._open(table, senders) for table in plan.local]
        self._outlets = Outlets(plan, self._engine.origin, partitions)

    @property
    def next_offset(self) -> int:
        """The offset of the next record."""
        return self._next

    def _open(self, plan: TablePlan, senders: Senders) -> LaneTable:
        engine = TableEngine(plan, self.partition, senders=senders(plan, self.partition))
        table = LaneTable.opened(engine)
        list(table.drive(engine.start(self._engine.origin, -1)))
        list(table.drive(engine.resume()))
        return table

    def encode(self, value: bytes | Mapping[str, Any] | None) -> bytes | None:
        """Return the bytes of a value; fields are encoded by the stream's codec."""
        return self._plan.codec.encode(value) if isinstance(value, Mapping) else value

    def timestamps(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        given: Sequence[int | None],
        clock: int | None,
    ) -> list[int]:
        """Return the records' Kafka timestamps: as given, else their event time, else the clock."""
        field, known = self._plan.stream.time, [clock or 0 if time is None else time for time in given]
        if field is None or None not in given:
            return known
        decoded = self._decoder.decode(values, keys)
        rows = np.arange(len(values)) if decoded.good is None else decoded.good
        unknown = np.full(len(rows), -1)
        times, wrong = event_time(decoded.columns[field.field], field.unit, unknown, None)
        bad = {index for index, _, _ in wrong}
        for at, (row, time) in enumerate(zip(rows.tolist(), times.tolist(), strict=True)):
            if given[row] is None and at not in bad:
                known[row] = time
        return known

    def feed(
        self, values: list[bytes | None], keys: list[bytes | None], times: list[int], clock: int
    ) -> Iterator[Event]:
        """Fold one batch and yield what is produced."""
        lo, n = self._next, len(values)
        self._heard = clock
        self._silent_from.clear()
        stamps = np.array(times, np.int64)
        yield from self.fold(Records(lo, lo + n, np.arange(lo, lo + n), stamps, values, keys))

    def fold(self, records: Records) -> Iterator[Event]:
        """Fold records as they were fetched and yield what is produced."""
        self._next = records.hi
        batch, dead = self._engine.decode(records)
        if len(batch):
            least = int(batch.time.min())
            self.first = least if self.first is None else min(least, self.first)
        yield from dead
        for table in self.tables:
            yield from table.drive(table.engine.fold(batch))
        yield from self._outlets.send(batch)

    def idle(self, clock: int, begun: int) -> Iterator[Event]:
        """Tell re-keyed tables if nothing was heard for the stream's `idle`, since the clock `begun` if never."""
        heard, idle = begun if self._heard is None else self._heard, self._plan.stream.idle
        if idle is not None and clock - heard >= idle:
            yield from self._outlets.idle(self._next)

    def silence(self, clock: int) -> Iterator[Event]:
        """Advance the watermarks if nothing was heard for the stream's `idle`, and yield what is produced."""
        idle = self._plan.stream.idle
        if idle is None or self._heard is None or clock - self._heard < idle:
            return
        for table in self.tables:
            name, reached = table.engine.plan.name, table.engine.progress.watermark
            began = self._silent_from.setdefault(name, reached)
            closing = table.engine.next_close()
            watermark = began + clock - self._heard
            if reached > NEVER and closing is not None and closing <= watermark:
                yield from table.drive(table.engine.tick(watermark))
            yield from table.engine.idle()
