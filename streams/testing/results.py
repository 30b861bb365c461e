"""What a Harness lists: events, rows, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tables.keys import key_bytes, key_values
from tables.query import Reader, Row

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.rules.rule import Change
    from tables.reading import AnyReader
    from tables.spec import Table

Key = str | int | float | tuple[Any, ...]
_MOST = 1 << 40


@dataclass(frozen=True, slots=True)
class Emitted:
    """One record that was produced.

    Args:
        key: bytes, or None.
        value: decoded JSON; bytes where it is none; None for a tombstone.
        timestamp: the clock when it was produced, in ms.
        partition: of its topic.
        headers: (name, bytes) pairs.
        raw: the value's bytes.
    """

    key: bytes | None
    value: Any
    timestamp: int
    partition: int
    headers: tuple[tuple[str, bytes], ...]
    raw: bytes | None

    @classmethod
    def of(cls, event: Event, timestamp: int, partition: int) -> Emitted:
        """Return what an event becomes on its topic."""
        return cls(event.key, _decoded(event.value), timestamp, partition, event.headers, event.value)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Args:
        key: the value of a single key field, a tuple of several.
        start: first ms of the window; None for a table without window.
        end: the ms after the window; None for a table without window.
        values: by column name.
        closed: whether the window is closed.
    """

    key: Key
    start: int | None
    end: int | None
    values: dict[str, Any]
    closed: bool


@dataclass(slots=True)
class AlertState:
    """One alert, live or resolved; times are event times in ms.

    Args:
        name: the alert's name.
        labels: all of its labels.
        annotations: rendered over the row that held last.
        state: pending, firing or resolved.
        active_at: since when the condition held.
        fired_at: since when it fires; None while it is pending.
        resolved_at: when it was resolved; None while it is not.
    """

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    state: Literal["pending", "firing", "resolved"]
    active_at: int
    fired_at: int | None = None
    resolved_at: int | None = None


@dataclass(slots=True)
class TableView:
    """Reads the rows of a table over all of its partitions.

    Args:
        table: the declared table.
        readers: of its partitions.
    """

    table: Table
    readers: Sequence[AnyReader]

    def rows(self, key: Key | None = None) -> list[TableRow]:
        """Return the rows by key bytes and window; `key` (as in `TableRow.key`) asks for one key only."""
        wanted = None if key is None else key_bytes(key if isinstance(key, tuple) else (key,))
        found = [row for reader in self.readers for row in _rows(reader, wanted)]
        found.sort(key=lambda row: (row.key, row.start or 0))
        return [TableRow(self._shown(row.key), row.start, row.end, row.values, row.closed) for row in found]

    def _shown(self, key: bytes) -> Key:
        values = key_values(key, len(self.table.key))
        return values if len(values) > 1 else values[0]


def _rows(reader: AnyReader, key: bytes | None) -> list[Row]:
    """Return the rows of one key or of all, by whichever way asks the store less often."""
    if not isinstance(reader, Reader):
        pages = reader.between(None, None, limit=_MOST, budget=_MOST) if key is None else []
        return reader.get(key, limit=_MOST) if key is not None else [row for page in pages for row in page.rows]
    windows = reader.windows()
    keys = [row.key for row in reader.latest(limit=_MOST, budget=_MOST).rows] if key is None else [key]
    if len(keys) < len(windows):
        return [row for each in keys for row in reader.get(each, limit=_MOST)]
    return [row for k in windows for row in reader.window(k, limit=_MOST).rows if key in (None, row.key)]


def resolved(change: Change) -> AlertState | None:
    """Return the alert that a change resolves, None if it resolves none."""
    before = change.before
    if before is None or change.resolved_at is None:
        return None
    annotations, name = change.rule.describe.annotations(change.key, before), change.rule.plan.alert.alert
    return AlertState(
        name, before.labels, annotations, "resolved", before.active_at, before.fired_at, change.resolved_at
    )


def _decoded(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value
