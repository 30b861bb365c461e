"""The Harness: a whole app in one process, without broker, deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from streams.codecs.base import Codec
from streams.effects import Event
from streams.load import load
from streams.lookup_files import read_all
from streams.lookup_topic import TopicLookup
from streams.names import CHANGELOG_BATCH
from streams.plan import TablePlan, plan
from streams.planned import LookupPlan
from streams.rekey.sender import Sender
from streams.spec import Declaration
from streams.testing.driven import LaneTable
from streams.testing.hop import Inlet
from streams.testing.lane import Lane
from streams.testing.murmur import partition_of
from streams.testing.results import AlertState, Emitted, TableView, resolved
from tables.durations import parse
from tables.keys import key_bytes
from tables.reading import reader

Value = bytes | Mapping[str, Any] | None
_PARTS = frozenset({"value", "key", "timestamp", "partition"})


class _Input(NamedTuple):
    """One record to feed, as `feed` takes it."""

    value: Value
    key: bytes | str | None = None
    timestamp: int | None = None
    partition: int = 0


class Harness:
    """Runs an app over what it is fed, with the worker's own engine, planner and codecs.

    Topics that the app produces and reads itself are fed back at once. Time is the Harness's own clock, in ms; it moves
    with `advance` and with the timestamps of records. An input in which it passes the stream's `idle` is silent.

    Args:
        app: a `streams.App`, a `Declaration`, or the path of a YAML file.
        partitions: of every topic.
        start: where the clock starts, in ms, or as a time zone aware datetime; None is the first record's timestamp.
        ahead: whether event time is checked against `max_ahead`.

    Raises:
        DeclarationError: the declaration has mistakes.
        LookupUnreadable: the file of a lookup cannot be used.
    """

    def __init__(
        self, app: Any, partitions: int = 1, start: int | datetime | None = None, *, ahead: bool = True
    ) -> None:  # fmt: skip
        """Plan the app and open every partition, empty."""
        self.declaration = _declaration(app)
        self.plan = plan(self.declaration)
        self.partitions = partitions
        self._clock = round(start.timestamp() * 1000) if isinstance(start, datetime) else start
        self._lookups = {name: TopicLookup(each) for name, each in self.plan.lookups.items()}
        found = {**read_all(self.plan), **self._lookups}
        self._emitted: dict[str, list[Emitted]] = {}
        self._resolved: list[AlertState] = []
        self._lanes = [
            Lane(stream, partition, partitions, self._senders, found, ahead=ahead)
            for stream in self.plan.streams.values()
            for partition in range(partitions)
        ]
        self._inlets = {
            (topic, partition): self._inlet(table, partition)
            for topic, table in self.plan.rekeyed.items()
            for partition in range(partitions)
        }
        for table in self._tables():
            table.engine.on_change = self._note
        self._backlog: list[tuple[str, int, _Input]] = []
        self._begun = self._clock

    def _senders(self, table: TablePlan, partition: int) -> list[Sender]:
        origin, feeds = f"{table.changelog}-{partition}", self.plan.feeds.get(table.name, ())
        return [Sender(each, origin, self.partitions, CHANGELOG_BATCH) for each in feeds]

    def _inlet(self, table: TablePlan, partition: int) -> Inlet:
        origins = self.plan.origins(table.name, dict.fromkeys(self.plan.streams, self.partitions))
        return Inlet(table, partition, origins, self.plan.idle(table.name), self._senders(table, partition))

    def _tables(self) -> Iterator[LaneTable]:
        yield from (table for lane in self._lanes for table in lane.tables)
        yield from (inlet.table for inlet in self._inlets.values())

    @property
    def clock(self) -> int:
        """The time, in ms; 0 before it has started."""
        return self._clock or 0

    # input

    def feed(
        self,
        topic: str,
        value: Value,
        key: bytes | str | None = None,
        timestamp: int | None = None,
        partition: int = 0,
    ) -> None:
        """Fold one record as one batch.

        Args:
            topic: that a stream of the app reads, or a lookup: its records count for what is fed after them.
            value: bytes, or fields that the codec of the stream or lookup encodes; None is a tombstone.
            key: record key; None is, for a lookup, the value of its `key` field.
            timestamp: the record's Kafka timestamp in ms; None is its event time if the stream has `time`, else the
                clock.
            partition: of the topic.

        Raises:
            ValueError: no stream and no lookup reads the topic, or it has no such partition.
        """
        self._feed(topic, [_Input(value, key, timestamp, partition)])

    def feed_many(self, topic: str, records: Iterable[Any]) -> None:
        """Fold several records as one batch (for each partition).

        Args:
            topic: as in `feed`.
            records: each a value, or a mapping with `value` and any of `key`, `timestamp`, `partition` as `feed` takes
                them.

        Raises:
            ValueError: as in `feed`.
        """
        self._feed(topic, [_input(record) for record in records])

    def advance(self, by: str | int) -> None:
        """Move the clock, by a duration such as `30s` or by ms. Silent inputs close what their watermark passes."""
        self._move(self.clock + (parse(by) if isinstance(by, str) else by), ())
        self._settle()

    def close(self, time: int) -> None:
        """Close every window that ends at `time` (ms) or before, as if its grace had passed; the clock stays."""
        for table in self._tables():
            self._emit(table.close(time))
        self._settle()

    def _feed(self, topic: str, records: Sequence[_Input]) -> None:
        self._look(topic, records)
        if not any(lane.topic == topic for lane in self._lanes):
            if topic in self._looked:
                return
            known = ", ".join(sorted({lane.topic for lane in self._lanes} | self._looked))
            raise ValueError(f"no stream reads topic {topic!r}; there are {known}")
        for partition in sorted({record.partition for record in records}):
            if not 0 <= partition < self.partitions:
                raise ValueError(f"topic {topic!r} has partitions 0 to {self.partitions - 1}, not {partition}")
            self._batch(topic, partition, [record for record in records if record.partition == partition])
        self._settle()

    @property
    def _looked(self) -> set[str]:
        """The topics of lookups."""
        return {lookup.plan.topic for lookup in self._lookups.values()}

    def _look(self, topic: str, records: Sequence[_Input]) -> None:
        """Let records count in the lookups that read their topic."""
        for lookup in self._lookups.values():
            if lookup.plan.topic == topic:
                lookup.apply([_row_key(lookup.plan, each) for each in records],
                             [_encoded(lookup.plan.codec, each.value) for each in records])  # fmt: skip

    def _batch(self, topic: str, partition: int, records: Sequence[_Input]) -> None:
        lanes = [lane for lane in self._lanes if (lane.topic, lane.partition) == (topic, partition)]
        if not lanes:
            return
        values = [lanes[0].encode(record.value) for record in records]
        keys = [_key(record) for record in records]
        given = [record.timestamp for record in records]
        times = lanes[0].timestamps(values, keys, given, self._clock)
        self._move(max(times, default=self.clock), lanes)
        for lane in lanes:
            self._emit(lane.feed(values, keys, times, self.clock))

    def _settle(self) -> None:
        """Feed back what the app produced for itself, each record as its own batch, until nothing is left."""
        while self._backlog:
            topic, partition, record = self._backlog.pop(0)
            self._look(topic, [record])
            self._batch(topic, partition, [record])

    def _move(self, clock: int, hearing: Sequence[Lane]) -> None:
        """Move the clock forward; inputs that hear something now are not silent."""
        self._clock = max(clock, clock if self._clock is None else self._clock)
        self._begun = self._clock if self._begun is None else self._begun
        quiet = [lane for lane in self._lanes if lane not in hearing]
        for lane in quiet:
            self._emit(lane.idle(self._clock, self._begun))
        for lane in quiet:
            self._emit(lane.silence(self._clock))
        heard = {lane.topic for lane in hearing}
        for inlet in self._inlets.values():
            if heard.isdisjoint(self.plan.topics(inlet.table.engine.plan.name)):
                self._emit(inlet.silence(self._clock))

    def _emit(self, events: Iterable[Any]) -> None:
        for event in events:
            if self._handed_on(event):
                continue
            partition = partition_of(event.key, self.partitions) if event.partition is None else event.partition
            self._emitted.setdefault(event.topic, []).append(Emitted.of(event, self.clock, partition))
            if event.topic in self._looked or any(lane.topic == event.topic for lane in self._lanes):
                record = _Input(event.value, event.key, self.clock, partition)
                self._backlog.append((event.topic, partition, record))

    def _handed_on(self, event: Event) -> bool:
        """Hand a block of a re-key to the table partition that it is for, and return whether it is one."""
        inlet = None if event.partition is None else self._inlets.get((event.topic, event.partition))
        if inlet is not None:
            self._emit(inlet.receive(event.value, self.clock))
        return inlet is not None

    def _note(self, change: Any) -> None:
        state = resolved(change)
        if state is not None:
            self._resolved.append(state)

    # output

    def emitted(self, topic: str) -> list[Emitted]:
        """Return all that was produced to a topic, in order."""
        return list(self._emitted.get(topic, ()))

    def table(self, name: str) -> TableView:
        """Return a view of a table's rows.

        Raises:
            ValueError: there is no such table.
        """
        tables = [table for table in self._tables() if table.engine.plan.name == name]
        if not tables:
            raise ValueError(f"there is no table {name!r}; there are {', '.join(sorted(self.plan.tables))}")
        declared = tables[0].engine.plan.table
        return TableView(declared, [reader(declared, table.store) for table in tables])

    def late(self, name: str) -> int:
        """Return how many rows were late for all their windows of a table."""
        return sum(table.engine.stats.late for table in self._tables() if table.engine.plan.name == name)

    def alerts(self) -> list[AlertState]:
        """Return every alert that is pending or firing, or was resolved, by name, labels and time."""
        live = [
            AlertState(each.name, each.labels, each.annotations, each.state, each.active_at, each.fired_at)
            for table in self._tables()
            for each in table.engine.alerts()
        ]
        return sorted(
            self._resolved + live, key=lambda alert: (alert.name, sorted(alert.labels.items()), alert.active_at)
        )


def _declaration(app: Any) -> Declaration:
    if isinstance(app, Declaration):
        return app
    if isinstance(app, str | Path):
        return load(app)
    declared: Declaration = app.declaration
    return declared


def _key(record: _Input) -> bytes | None:
    return record.key.encode() if isinstance(record.key, str) else record.key


def _row_key(plan: LookupPlan, record: _Input) -> bytes | None:
    """Return the key of a lookup's record: as it was given, else what its fields say."""
    value = record.value.get(plan.lookup.key) if isinstance(record.value, Mapping) else None
    return key_bytes((value,)) if record.key is None and value is not None else _key(record)


def _encoded(codec: Codec, value: Value) -> bytes | None:
    return codec.encode(value) if isinstance(value, Mapping) else value


def _input(record: Any) -> _Input:
    """Return a record of `feed_many`: a mapping with `value` and nothing but names of `feed`, or a value."""
    whole = isinstance(record, Mapping) and "value" in record and record.keys() <= _PARTS
    if whole and isinstance(record["value"], bytes | Mapping | None):
        return _Input(**record)
    return _Input(record)
