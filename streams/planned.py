"""What a declaration comes to: the fields to decode, compiled expressions, topics, rules. Pure: no broker is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from streams.codecs.base import Codec, FieldType
    from streams.expr import Expression
    from streams.rules.templates import Template
    from streams.spec import Alert, Declaration, LookupTable, Stream
    from tables.aggregates.base import Aggregate
    from tables.shapes import Shape
    from tables.spec import Table


@dataclass(frozen=True, kw_only=True)
class AggregatePlan:
    """One column of a table, ready to be fed.

    Args:
        name: the column.
        aggregate: as it is declared.
        of: the values that it takes; None if it takes none.
        by: the second value that it takes; None for most.
        where: rows that count; None is all.
    """

    name: str
    aggregate: Aggregate
    of: Expression | None = None
    by: Expression | None = None
    where: Expression | None = None


@dataclass(frozen=True, kw_only=True)
class RulePlan:
    """One alert rule, ready to be judged.

    Args:
        id: the alert's name, with `#2`, `#3`.. for the second and third rule of that name.
        alert: as it is declared.
        expr: the condition over the table's columns and key fields.
        value: what `$value` is; None if the condition compares nothing.
        judge: `close` or `update`, resolved.
        topic: where its events go.
        labels: by name, compiled templates; key labels and `alertname` are not among them.
        annotations: by name, compiled templates.
    """

    id: str
    alert: Alert
    expr: Expression
    value: Expression | None
    judge: Literal["close", "update"]
    topic: str
    labels: Mapping[str, Template] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """One table, ready to be folded.

    Args:
        name: the table.
        table: as it is declared.
        source: name of the stream or table that it reads; of a table that reads several there is a plan for each, which
            differ in what is compiled for their source: `derive`, `where`, `aggregates`, `needs` and `types`.
        streams: names of all streams that it reads, itself or by way of other tables.
        key: the key fields, in order; fields of the stream or derived ones.
        key_labels: (label name, key field) for each key field; `.` in a field is `_` in its label.
        derive: further fields by name, in the order of evaluation, which is before `where`; that may use them.
        where: rows that count; None is all.
        aggregates: the columns, in order.
        rules: its alerts.
        needs: the columns of a decoded batch (fields, and fields that the stream derives) that the table reads.
        types: of those columns that are fields of the source.
        changelog: name of its changelog topic; it has as many partitions as the largest of the streams' topics.
        changelog_config: settings of that topic when we create it.
        emit_topic: where rows go; None if `emit` is none.
        late_topic: where rows go that are late for all their windows; None only counts them.
        dead_letters: where rows go that cannot be folded.
        shape: what shapes its kept state; by it a changed declaration is recognised.
        repartition: the topic through which its rows go to where their keys live; None if they lie there already. It
            has as many partitions as the largest of the streams' topics.
        repartition_config: settings of that topic when we create it.
    """

    name: str
    table: Table
    source: str
    streams: tuple[str, ...]
    key: tuple[str, ...]
    key_labels: tuple[tuple[str, str], ...]
    derive: Mapping[str, Expression]
    where: Expression | None
    aggregates: tuple[AggregatePlan, ...]
    rules: tuple[RulePlan, ...]
    needs: frozenset[str]
    types: Mapping[str, FieldType]
    changelog: str
    changelog_config: Mapping[str, str]
    emit_topic: str | None
    late_topic: str | None
    dead_letters: str
    shape: Shape
    repartition: str | None = None
    repartition_config: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 (hex) of the shape."""
        return self.shape.fingerprint


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """One stream, ready to be decoded.

    Args:
        name: the stream.
        stream: as it is declared.
        codec: its codec.
        fields: what the codec must read, with the type that all uses of a field agree on. The event time field has type
            `time`; a key field `key`, unless another use narrows it to `text` or `number`.
        derive: further fields by name, in the order of evaluation, which is before `where`; that may use them.
        where: rows that go on to the tables; None is all.
        tables: the tables that read it.
        dead_letters: where records go that cannot be decoded.
        joins: by the name of a lookup, its fields that are used, with the type that all uses agree on.
    """

    name: str
    stream: Stream
    codec: Codec
    fields: Mapping[str, FieldType]
    derive: Mapping[str, Expression]
    where: Expression | None
    tables: tuple[TablePlan, ...]
    dead_letters: str
    joins: Mapping[str, Mapping[str, FieldType]] = field(default_factory=dict)

    @property
    def local(self) -> tuple[TablePlan, ...]:
        """The tables that are folded where the stream's records lie."""
        return tuple(table for table in self.tables if table.repartition is None)

    @property
    def rekeyed(self) -> tuple[TablePlan, ...]:
        """The tables whose rows go through a repartition topic."""
        return tuple(table for table in self.tables if table.repartition is not None)


@dataclass(frozen=True, kw_only=True)
class LookupPlan:
    """One lookup that is read from a topic, ready to be decoded.

    Args:
        lookup: as it is declared.
        topic: where its rows are.
        codec: of the record values.
        fields: those that any stream uses, in order.
    """

    lookup: LookupTable
    topic: str
    codec: Codec
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that one app does.

    Args:
        declaration: what was declared.
        streams: by name.
        tables: by name, those that a table reads before it; of one that reads several sources the plan over the first.
        feeds: by the name of a table, the plans of the tables that read its closed rows.
        alerts_topic: default topic of alert events.
        dead_letters: topic of records that could not be used.
        lookups: those that are read from topics, by name.
    """

    declaration: Declaration
    streams: Mapping[str, StreamPlan]
    tables: Mapping[str, TablePlan]
    feeds: Mapping[str, tuple[TablePlan, ...]]
    alerts_topic: str
    dead_letters: str
    lookups: Mapping[str, LookupPlan] = field(default_factory=dict)

    def partitions(self, table: str, counts: Mapping[str, int]) -> int:
        """Return how many partitions a table has: as many as the largest of its streams.

        Args:
            table: its name.
            counts: partitions of each stream by name; 0 is taken where one is not known.
        """
        return max((counts.get(name, 0) for name in self.tables[table].streams), default=0)

    def origins(self, table: str, counts: Mapping[str, int]) -> list[str]:
        """Return the origins of a re-keyed table: the partitions of its streams' topics and of the tables it reads.

        Args:
            table: its name.
            counts: partitions of each stream by name.
        """
        found = []
        for name in self.tables[table].table.sources:
            stream = self.streams.get(name)
            topic = stream.stream.topic if stream else self.tables[name].changelog
            count = counts[name] if stream else self.partitions(name, counts)
            found += [f"{topic}-{number}" for number in range(count)]
        return found

    def topics(self, table: str) -> frozenset[str]:
        """Return the topics of all streams of a table."""
        return frozenset(self.streams[name].stream.topic for name in self.tables[table].streams)

    def idle(self, table: str) -> int | None:
        """Return the silence, in ms, after which all streams of a table have said that they are; None is never."""
        found = [self.streams[name].stream.idle for name in self.tables[table].streams]
        return None if None in found else max(filter(None, found), default=0)

    @property
    def rekeyed(self) -> dict[str, TablePlan]:
        """Return the tables whose rows go through a repartition topic, by that topic."""
        return {table.repartition: table for table in self.tables.values() if table.repartition is not None}
