"""The closed rows of a table as input of other tables: one block of them to each destination, write by write.

The origin of such blocks is the partition of the table's changelog, and their offsets count its writes: write n has
the offsets from `n << SHIFT` on, one for each of its rows. So rows that are sent again after a restart, or by a worker
that lost the partition, are known by their offsets, as those of a stream are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streams.codecs.extract import column
from streams.effects import Batch, Event, Records, Rekeyed
from streams.lookup import fitting
from streams.reading import WINDOW_END, WINDOW_START
from streams.rules.events import window_of
from tables.columns import Column, Kind
from tables.records import NEVER
from tables.windows import FOREVER

if TYPE_CHECKING:
    from streams.codecs.base import FieldType
    from streams.emit import Emitter
    from streams.rekey.sender import Sender
    from streams.rules.rows import Rows
    from tables.records import Progress
    from tables.windows import Steps

    Ints = NDArray[np.int64]

SHIFT = 24
"""Bits of an offset that count the rows of one write; more rows than that are never closed in one."""

_FITTING: Mapping[FieldType, frozenset[Kind]] = {
    "number": frozenset({"int", "float", "mixed"}),
    "text": frozenset({"text"}),
    "bool": frozenset({"bool"}),
    "key": frozenset({"int", "float", "mixed", "text"}),
}
"""The kinds of columns that are of a type as they are."""


class ClosedRows:
    """Sends what one table partition closes to the tables that read it.

    The event time of a row is the last ms of its window. The watermark of the blocks is that of the first window that
    is not closed: no later row is before it.

    Args:
        senders: one for each table that reads it; their origin is this partition.
        steps: the windows of the table by number.
        emitter: writes a row as it would be emitted, for late topics and dead letters.
    """

    def __init__(self, senders: Sequence[Sender], steps: Steps, emitter: Emitter) -> None:
        """Begin with nothing sent."""
        self._senders, self._steps, self._emitter = senders, steps, emitter
        self.said_idle = False

    def __bool__(self) -> bool:
        """Return whether any table reads this one."""
        return bool(self._senders)

    def send(self, progress: Progress, closed: Sequence[Rows]) -> tuple[list[Event], list[Event]]:
        """Return the blocks and the dead letters of a write.

        Args:
            progress: of the write; `blocks` says which writes had blocks last.
            closed: the rows that were judged since the write before, by window.
        """
        self.said_idle = False
        blocks: list[Event] = []
        letters: list[Event] = []
        for batch in self._batches(progress, [rows for rows in closed if len(rows)]):
            for sender in self._senders:
                columns = {name: batch.columns[name] for name in batch.columns if name in sender.plan.needs}
                sent = sender.send(_with(batch, columns))
                blocks += sent.blocks
                letters += sent.letters
        return blocks, letters

    def idle(self, progress: Progress) -> list[Event]:
        """Return, once in a silence, the blocks that tell that nothing is open and nothing comes."""
        if self.said_idle:
            return []
        self.said_idle = True
        return [event for sender in self._senders for event in sender.idle(first_offset(progress.blocks[1] + 1))]

    def _batches(self, progress: Progress, closed: Sequence[Rows]) -> Iterator[Batch]:
        before, n = progress.blocks
        lo, at, end = first_offset(before + 1), first_offset(n), first_offset(n + 1)
        watermark = self._steps.reached(progress.judged[0], progress.watermark)
        for index, rows in enumerate(closed):
            last = index == len(closed) - 1
            hi = end if last else at + len(rows)
            yield self._batch(rows, (lo, hi), at, watermark if last else None)
            lo = at = hi
        if not closed:
            yield _empty(self._origin, (lo, end), watermark)

    def _bounds(self, rows: Rows) -> tuple[Ints, Ints]:
        """Return start and end of each row's window."""
        if rows.spans is not None:
            return (
                np.array([span.start for span in rows.spans], np.int64),
                np.array([span.end for span in rows.spans], np.int64),
            )
        window = window_of(self._steps, rows.window) or {"start": NEVER, "end": FOREVER}
        return np.full(len(rows), window["start"]), np.full(len(rows), window["end"])

    def _running(self, rows: Rows) -> Ints:
        """Return what time it was when each window closed."""
        numbers = [rows.window] * len(rows) if rows.spans is None else [span.number for span in rows.spans]
        found: Ints = self._steps.end(np.array(numbers, np.int64)) - 1
        return found

    @property
    def _origin(self) -> str:
        return self._senders[0].origin

    def _batch(self, rows: Rows, span: tuple[int, int], at: int, watermark: int | None) -> Batch:
        """Return rows as a batch; its watermark is that of its last row where none is given."""
        n, (start, end), running = len(rows), self._bounds(rows), self._running(rows)
        offset, time = np.arange(at, at + n), end - 1
        uses = {name: type_ for sender in self._senders for name, type_ in sender.plan.types.items()}
        bounds = {WINDOW_START: Column("int", start), WINDOW_END: Column("int", end)}
        values: Any = _Rendered(rows, self._emitter)
        source = Records(*span, offset, time, values, list(rows.keys))
        known = {**rows.columns(uses), **bounds}
        columns = {name: fitted(known[name], type_) for name, type_ in uses.items()}
        none = np.empty(0, np.int64)
        rekeyed = Rekeyed(int(running[-1]) if watermark is None else watermark, running, [], none)
        return Batch(self._origin, *span, np.arange(n), columns, time, offset, source=source, rekeyed=rekeyed)


def fitted(given: Column, type_: FieldType) -> Column:
    """Return a column as what its uses need it to be, null where it is not: a stream would refuse such a record."""
    if type_ == "any" or given.kind in _FITTING[type_]:
        return given
    return column([fitting(value, type_) for value in given.tolist()], type_)


def first_offset(n: int) -> int:
    """Return the first offset of the rows of write `n`."""
    return n << SHIFT


def _with(batch: Batch, columns: dict[str, Column]) -> Batch:
    return Batch(
        batch.origin, batch.lo, batch.hi, batch.rows, columns, batch.time, batch.offset,
        source=batch.source, rekeyed=batch.rekeyed,
    )  # fmt: skip


def _empty(origin: str, span: tuple[int, int], watermark: int) -> Batch:
    none = np.empty(0, np.int64)
    rekeyed = Rekeyed(watermark, none, [], none)
    return Batch(origin, *span, np.empty(0, np.intp), {}, none, none, rekeyed=rekeyed)


class _Rendered(Sequence[bytes | None]):
    """Rows as they would be emitted, each made when somebody asks for it."""

    def __init__(self, rows: Rows, emitter: Emitter) -> None:
        self._rows, self._emitter = rows, emitter

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...

    @overload
    def __getitem__(self, row: slice) -> list[bytes | None]: ...

    def __getitem__(self, row: int | slice) -> bytes | list[bytes | None] | None:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        ((_, event),) = self._emitter.rows(self._rows.take(np.array([row])))
        return event.value
