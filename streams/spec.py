"""What an app is, as it is declared: frozen, and equal when it says the same, in Python or in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from streams.ruletests.spec import RuleTest
from tables.spec import Table


@dataclass(frozen=True, kw_only=True)
class TimeField:
    """Where event time is read: `field`, and the unit of a number (None: its size tells)."""

    field: str
    unit: Literal["s", "ms", "us", "ns"] | None = None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A topic, its codec, its event time and its key.

    Args:
        name: `[a-z][a-z0-9_]*`.
        topic: Kafka topic.
        codec: name of a registered codec.
        time: event time; None is the record's Kafka timestamp.
        key: field(s) that the producers used as record key; empty if unknown.
        where: rows that do not hold it are dropped before any table.
        derive: further fields, name to expression text, in order.
        idle: ms of silence after which the input holds no watermark back; None is `never`.
        max_ahead: ms that event time may lie ahead of the record's Kafka timestamp.
        join: lookups by name, each with the field of the record that holds its key.
    """

    name: str
    topic: str
    codec: str = "json"
    time: TimeField | None = None
    key: tuple[str, ...] = ()
    where: str | None = None
    derive: Mapping[str, str] = field(default_factory=dict)
    idle: int | None = 60_000
    max_ahead: int = 3_600_000
    join: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "derive", MappingProxyType(dict(self.derive)))
        object.__setattr__(self, "join", MappingProxyType(dict(self.join)))


@dataclass(frozen=True, kw_only=True)
class LookupTable:
    """A table that is read whole, to look up fields of records by key.

    Args:
        name: `[a-z][a-z0-9_]*`; its fields are `name.field`.
        file: path of a CSV file (`.csv`) or of JSON lines; a relative one from where the process was started.
        topic: a compacted topic, instead of a file; record keys are coded as those of tables.
        codec: name of a registered codec, of a topic.
        key: the field that is its key.
        max_rows: most rows.

    Raises:
        ValueError: it has both file and topic, or neither, or a file has a codec.
    """

    name: str
    file: str | None = None
    topic: str | None = None
    codec: str = "json"
    key: str
    max_rows: int = 1_000_000

    def __post_init__(self) -> None:
        """See that there is one source."""
        if (self.file is None) == (self.topic is None):
            raise ValueError("a lookup has either `file` or `topic`; write one of them")
        if self.file is not None and self.codec != "json":
            raise ValueError("`codec` is for a topic; leave it out: the name of a file says what it is")

    @property
    def source(self) -> str:
        """Where its rows are, for people."""
        return f"topic {self.topic}" if self.topic is not None else str(self.file)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A condition on a table's rows.

    Args:
        alert: the alert's name, `[A-Za-z_][A-Za-z0-9_]*`.
        table: name of the table.
        expr: the condition, over the table's columns and key fields.
        for_: ms that it must hold before the alert fires.
        keep_firing_for: ms that it goes on firing after the condition stopped holding.
        limit: most live (pending and firing) alerts of this rule in one partition; 0 is no limit.
        judge: when rows are judged: `close` (when the window closes) or `update` (at the end of each batch).
            None is `close` for a windowed table, else `update`.
        labels: further labels, templates.
        annotations: texts, templates.
        to: topic of the alert events; None is the app's alerts topic.
    """

    alert: str
    table: str
    expr: str
    for_: int = 0
    keep_firing_for: int = 0
    limit: int = 0
    judge: Literal["close", "update"] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    to: str | None = None

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))
        object.__setattr__(self, "annotations", MappingProxyType(dict(self.annotations)))


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All that one file declares.

    Args:
        app: the app's id: consumer group, and prefix of every topic it makes.
        streams: by name.
        tables: by name.
        alerts: in the order of the file; names may repeat (for example one rule per severity).
        kafka: settings by librdkafka's names, as text.
        topics: other names for the app's own topics: `alerts`, `dead_letters`.
        lookups: by name.
        tests: tests of the rules; what is declared is equal with and without them.
    """

    app: str
    streams: Mapping[str, Stream] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    kafka: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    lookups: Mapping[str, LookupTable] = field(default_factory=dict)
    tests: tuple[RuleTest, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for name in ("streams", "tables", "kafka", "topics", "lookups"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
