"""The engine over history: records in, in big batches; alerts, rows and counts out. The clock stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.backtest.timeline import Timeline
from streams.effects import Event, Records
from streams.testing.harness import Harness
from streams.testing.murmur import partition_of
from tables.records import NEVER

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.rules.rows import Rows
    from streams.rules.rule import Change
    from streams.spec import Declaration
    from streams.testing.driven import LaneTable
    from streams.testing.lane import Lane

Sink = Callable[[Event], object]
Closed = Callable[[str, int, "Rows"], object]
_REASON = "__streams.errors.exception"


class Replay(Harness):
    """A Harness for history: nothing is kept of what is produced, and no input is ever silent.

    Args:
        declaration: what is run.
        partitions: of every topic.
        ahead: whether event time is checked against the records' Kafka timestamps; not over files.
        sinks: by topic, who is told each event.
        on_close: is told table, partition and rows of each window that is judged.
    """

    def __init__(
        self,
        declaration: Declaration,
        partitions: int = 1,
        *,
        ahead: bool = False,
        sinks: Mapping[str, Sink] | None = None,
        on_close: Closed | None = None,
    ) -> None:
        """Open every partition, empty."""
        super().__init__(declaration, partitions, start=0, ahead=ahead)
        self.timeline = Timeline()
        self.dead: Counter[str] = Counter()
        self.records = 0
        self._sinks = sinks or {}
        self._again: list[tuple[str, int, Event]] = []
        self._read = {lane.topic for lane in self._lanes}
        for table in self._tables():
            self._listen(table, on_close)

    def _listen(self, table: LaneTable, on_close: Closed | None) -> None:
        name, parts, partition = table.engine.plan.name, len(table.engine.plan.key), table.engine.partition

        def changed(change: Change) -> None:
            self.timeline.note(change, name, partition, parts)

        table.engine.on_change = changed
        if on_close is not None:
            table.engine.on_close = lambda rows: on_close(name, partition, rows)

    def only(self, topics: Collection[str]) -> None:
        """Forget the streams that neither these topics nor the app itself feed: they hold nothing back."""
        produced = {table.emit_topic for table in self.plan.tables.values()}
        self._lanes = [lane for lane in self._lanes if lane.topic in topics or lane.topic in produced]
        tables = {table.changelog for table in self.plan.tables.values() if self._fed(table)}
        for inlet in self._inlets.values():
            inlet.only({lane.topic for lane in self._lanes} | tables)

    def _fed(self, table: TablePlan) -> bool:
        """Return whether anything comes to a table."""
        return not {lane.topic for lane in self._lanes}.isdisjoint(self.plan.topics(table.name))

    def take(self, topic: str, partition: int, values: list[bytes | None]) -> None:
        """Fold record values without Kafka timestamps, as the next records of a partition."""
        lane = self._lane(topic, partition)
        lo, n = lane.next_offset, len(values)
        stamps = np.full(n, -1, np.int64)
        self.fold(topic, partition, Records(lo, lo + n, np.arange(lo, lo + n), stamps, values, [None] * n))

    def fold(self, topic: str, partition: int, records: Records) -> None:
        """Fold records of a partition as they were fetched."""
        self.records += len(records)
        self._fold(topic, partition, records)
        self._settle()

    def learn(self, topic: str, records: Records) -> None:
        """Let records of a topic count in the lookups that read it."""
        for lookup in self._lookups.values():
            if lookup.plan.topic == topic:
                lookup.apply(records.all_keys(), list(records.values))

    def reached(self, topic: str, partition: int) -> int:
        """Return the greatest event time (ms) that tables have seen of a partition."""
        name = f"{topic}-{partition}"
        origins = [table.engine.progress.origins.get(name) for table in self._tables()]
        return max((origin.watermark for origin in origins if origin is not None), default=NEVER)

    def finish(self) -> None:
        """Close every window that has rows, as its end + grace would."""
        ticked = True
        while ticked:
            ticked = False
            for table in self._tables():
                at = table.engine.last_close()
                if at is not None and at > table.engine.progress.watermark:
                    self._emit(table.drive(table.engine.tick(at)))
                    ticked = True
            self._settle()

    @property
    def late_rows(self) -> int:
        """How many rows were late for all their windows."""
        return sum(table.engine.stats.late for table in self._tables())

    @property
    def first(self) -> int | None:
        """The least event time (ms) of all records; None if none came."""
        return min((lane.first for lane in self._lanes if lane.first is not None), default=None)

    @property
    def last(self) -> int:
        """The greatest event time (ms) that any table has seen; 0 if none has."""
        origins = [origin for table in self._tables() for origin in table.engine.progress.origins.values()]
        return max([0, *(origin.watermark for origin in origins)])

    def _lane(self, topic: str, partition: int) -> Lane:
        return next(lane for lane in self._lanes if (lane.topic, lane.partition) == (topic, partition))

    def _fold(self, topic: str, partition: int, records: Records) -> None:
        for lane in self._lanes:
            if (lane.topic, lane.partition) == (topic, partition):
                self._emit(lane.fold(records))

    def _emit(self, events: Iterable[Any]) -> None:
        for event in events:
            if self._handed_on(event):
                continue
            if event.topic == self.plan.dead_letters:
                self.dead[dict(event.headers).get(_REASON, b"").decode()] += 1
            if event.topic in self._sinks:
                self._sinks[event.topic](event)
            if event.topic in self._read:
                self._again.append((event.topic, _partition(event, self.partitions), event))

    def _settle(self) -> None:
        """Feed back what the app produced for itself, what lies together as one batch, until nothing is left."""
        while self._again:
            again, self._again = self._again, []
            for topic, partition in dict.fromkeys((topic, partition) for topic, partition, _ in again):
                events = [event for *place, event in again if place == [topic, partition]]
                lo, n = self._lane(topic, partition).next_offset, len(events)
                offsets, stamps = np.arange(lo, lo + n), np.full(n, -1, np.int64)
                values, keys = [event.value for event in events], [event.key for event in events]
                self._fold(topic, partition, Records(lo, lo + n, offsets, stamps, values, keys))


def _partition(event: Event, partitions: int) -> int:
    return partition_of(event.key, partitions) if event.partition is None else event.partition
