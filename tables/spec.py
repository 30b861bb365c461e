"""What a table is, as it is declared: frozen, and equal when it says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tables.aggregates.base import Aggregate
from tables.durations import parse

DAY = 86_400_000


@dataclass(frozen=True)
class Window:
    """Windows `[start, start + size)` that start at every multiple of `every` since the epoch.

    Args:
        size: length in ms.
        every: distance of two starts in ms; equal to `size` for tumbling windows.
        grace: how long after its end a window stays open, in ms of event time.
    """

    size: int
    every: int
    grace: int = 10_000

    def __post_init__(self) -> None:
        """Refuse windows that could hold nothing or leave gaps."""
        if self.size <= 0:
            raise ValueError("a window must be longer than 0s; write for example tumbling('1m')")
        if not 0 < self.every <= self.size:
            raise ValueError(
                "`every` must be more than 0s and at most the window's length, or rows fall between windows"
            )

    @property
    def tumbling(self) -> bool:
        """Whether each instant lies in exactly one window."""
        return self.size == self.every


def tumbling(size: str, *, grace: str = "10s") -> Window:
    """Return windows of `size` that touch and do not overlap: `tumbling("1m")`."""
    return Window(parse(size), parse(size), parse(grace))


def hopping(size: str, every: str, *, grace: str = "10s") -> Window:
    """Return windows of `size` that start at each `every`: `hopping("5m", every="30s")`."""
    return Window(parse(size), parse(every), parse(grace))


@dataclass(frozen=True, kw_only=True)
class Table:
    """A stream grouped by a key, in windows, through aggregates.

    Args:
        name: `[a-z][a-z0-9_]*`.
        from_: name of the stream (or table) it reads.
        key: the fields to group by, in order; at least one.
        aggregates: what is kept, by column name.
        window: None keeps one running total per key.
        where: rows that do not hold it are not counted, as expression text.
        derive: further fields, name to expression text, in order.
        keep: how long closed rows can be asked for, in ms of event time.
        late: topic for rows that are late for all their windows; None only counts them.
        expose: columns that are shown to Prometheus.
        standby: number of standby replicas.
        emit: rows that are produced to `to`: none, final rows at close, or each update.
        to: topic of emitted rows; None is `<app>-<table>`.
        changelog: name of the changelog topic; None is `<app>-<table>-changelog`.
        max_keys: most keys per partition; rows of further keys go to the dead letters.
    """

    name: str
    from_: str
    key: tuple[str, ...]
    aggregates: Mapping[str, Aggregate]
    window: Window | None = None
    where: str | None = None
    derive: Mapping[str, str] = field(default_factory=dict)
    keep: int = DAY
    late: str | None = None
    expose: tuple[str, ...] = ()
    standby: int = 0
    emit: Literal["none", "close", "update"] = "none"
    to: str | None = None
    changelog: str | None = None
    max_keys: int = 1_000_000

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "aggregates", MappingProxyType(dict(self.aggregates)))
        object.__setattr__(self, "derive", MappingProxyType(dict(self.derive)))
