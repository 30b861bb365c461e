"""What a table is, as it is declared: frozen, and equal when it says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tables.aggregates.base import Aggregate
from tables.windows.base import Window

DAY = 86_400_000


@dataclass(frozen=True)
class Emit:
    """Which rows a table produces to a topic.

    Args:
        when: none, final rows when a window closes, or updated rows.
        every: ms of event time for which updates are gathered, so that of a row only the newest goes out; 0 lets each
            update go out.
    """

    when: Literal["none", "close", "update"] = "none"
    every: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """A stream grouped by a key, in windows, through aggregates.

    Args:
        name: `[a-z][a-z0-9_]*`.
        from_: name of the stream or table that it reads, or the names of several; see `sources`.
        key: the fields to group by, in order; at least one.
        aggregates: what is kept, by column name.
        window: None keeps one running total per key.
        where: rows that do not hold it are not counted, as expression text.
        derive: further fields, name to expression text, in order.
        keep: how long closed rows can be asked for, in ms of event time.
        late: topic for rows that are late for all their windows; None only counts them.
        expose: columns that are shown to Prometheus.
        standby: number of standby replicas.
        emit: rows that are produced to `to`.
        to: topic of emitted rows; None is `<app>-<table>`.
        changelog: name of the changelog topic; None is `<app>-<table>-changelog`.
        max_keys: most keys per partition; rows of further keys go to the dead letters.
        unique: fields that are the id of a row; rows whose id was counted before with the same key are dropped.
        within: for how long an id is remembered, in ms of event time; given with `unique`.
        max_ids: most ids that a partition remembers; rows with further ids go to the dead letters.
    """

    name: str
    from_: str | tuple[str, ...]
    key: tuple[str, ...]
    aggregates: Mapping[str, Aggregate]
    window: Window | None = None
    where: str | None = None
    derive: Mapping[str, str] = field(default_factory=dict)
    keep: int = DAY
    late: str | None = None
    expose: tuple[str, ...] = ()
    standby: int = 0
    emit: Emit = Emit()
    to: str | None = None
    changelog: str | None = None
    max_keys: int = 1_000_000
    unique: tuple[str, ...] = ()
    within: int | None = None
    max_ids: int = 4_000_000

    def __post_init__(self) -> None:
        """Freeze the mappings; a single source is its name."""
        if len(self.sources) == 1:
            object.__setattr__(self, "from_", self.sources[0])
        object.__setattr__(self, "aggregates", MappingProxyType(dict(self.aggregates)))
        object.__setattr__(self, "derive", MappingProxyType(dict(self.derive)))

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the names of the streams and tables that it reads, in order."""
        return (self.from_,) if isinstance(self.from_, str) else self.from_
