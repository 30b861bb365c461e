"""From a decoded batch to what one table folds: skip, derive, filter, judge lateness, code the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams import reasons
from streams.letters import LATE, letter
from tables.keys import FULL

if TYPE_CHECKING:
    from streams.effects import Batch, Event
    from streams.table_engine import TableEngine
    from tables.columns import Column
    from tables.growth import Input

Ints = NDArray[np.int64]
LARGE = -3
"""Stands for the code of a row that is too large, beside `BAD` and `FULL`."""
Index = NDArray[np.intp]


@dataclass(slots=True)
class Intake:
    """The rows of a batch that count in a table, in offset order; n rows.

    Args:
        watermark: greatest event time of the origin after all that was seen, dropped rows among them.
        codes: shape (n,), key codes.
        pane: shape (n,), pane numbers.
        first: shape (n,), the first window in which each row counts.
        time: shape (n,), event time in ms.
        offset: shape (n,), offsets.
        running: shape (n,), the greatest event time of the origin up to each row.
        inputs: by aggregate: the rows it takes (None: all) and its values.
        letters: dead letters and late rows.
    """

    watermark: int
    codes: Ints
    pane: Ints
    first: Ints
    time: Ints
    offset: Ints
    running: Ints
    inputs: dict[str, Input]
    letters: list[Event] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    def split(self, at: int) -> tuple[Intake, Intake]:
        """Return the first `at` rows, with the watermark that they leave, and the others; letters stay behind."""
        return self._part(slice(0, at), int(self.running[at - 1])), self._part(slice(at, None), self.watermark)

    def _part(self, rows: slice, watermark: int) -> Intake:
        inputs = {name: _cut(given, rows) for name, given in self.inputs.items()}
        arrays = (self.codes, self.pane, self.first, self.time, self.offset, self.running)
        codes, pane, first, time, offset, running = (array[rows] for array in arrays)
        return Intake(watermark, codes, pane, first, time, offset, running, inputs)


class Receiver:
    """Prepares batches for one table partition.

    Args:
        engine: whose plan, cells and counters it uses.
    """

    def __init__(self, engine: TableEngine) -> None:
        """Keep them."""
        self._engine, self._plan, self._cells = engine, engine.plan, engine.cells

    def receive(self, batch: Batch, z: int, watermark: int, judged: int) -> Intake:
        """Return what of a batch is folded.

        Args:
            batch: of one origin.
            z: the last offset of that origin that was folded already.
            watermark: of that origin, before the batch.
            judged: the first window that is not closed.
        """
        running, latest = _running(batch, z, watermark)
        if not len(batch):
            none = np.empty(0, np.int64)
            return Intake(latest, none, none, none, none, none, none, {})
        rows = _after(batch.offset, z)
        n = len(batch.time)
        self._engine.stats.skipped += 0 if rows is None else n - len(rows)
        columns, rows = self._columns(batch, rows)
        time, offset, running = (_take(array, rows) for array in (batch.time, batch.offset, running))
        where = np.arange(n) if rows is None else rows
        return self._fresh(batch, _Rows(where, columns, time, offset, running), latest, judged)

    def _columns(self, batch: Batch, rows: Index | None) -> tuple[dict[str, Column], Index | None]:
        """Return the fields and derived fields of the rows that hold `where`, and which rows of the batch those are."""
        columns = {name: _column(batch.columns[name], rows) for name in self._plan.needs if name in batch.columns}
        n = len(batch.time) if rows is None else len(rows)
        for name, expression in self._plan.derive.items():
            columns[name] = expression.evaluate(columns, n)
        if self._plan.where is None:
            return columns, rows
        kept = np.flatnonzero(self._plan.where.holds(columns, n))
        self._engine.stats.filtered += n - len(kept)
        if len(kept) == n:
            return columns, rows
        return {name: column.take(kept) for name, column in columns.items()}, kept if rows is None else rows[kept]

    def _fresh(self, batch: Batch, rows: _Rows, latest: int, judged: int) -> Intake:
        """Tell late rows and rows without a usable key apart.

        A row is late by the running watermark of its own origin; and a window that is closed stays closed whatever
        the origin says (an idle origin, a tick).
        """
        panes, letters = self._cells.panes, []
        pane = panes.pane(rows.time)
        first = panes.counts_from(pane, rows.running)
        if judged > first.min(initial=judged):
            first = np.maximum(first, judged)
        late = panes.late(pane, first)
        if late.any():
            letters += self._late(batch, rows, np.flatnonzero(late))
            kept = np.flatnonzero(~late)
            rows, pane, first = rows.take(kept), pane[kept], first[kept]
        codes = self._cells.keys.encode([rows.columns[name] for name in self._plan.key])
        if len(codes) and int(codes.min()) < 0:
            letters += self._refused(batch, rows, codes)
            kept = np.flatnonzero(codes >= 0)
            rows, pane, first, codes = rows.take(kept), pane[kept], first[kept], codes[kept]
        inputs = self._inputs(rows.columns, len(codes))
        large = self._engine.cutter.too_large(codes, inputs) if len(codes) else None
        if large is not None:
            letters += self._refused(batch, rows, np.where(large, LARGE, codes))
            kept = np.flatnonzero(~large)
            rows, pane, first, codes = rows.take(kept), pane[kept], first[kept], codes[kept]
            inputs = self._inputs(rows.columns, len(codes))
        self._engine.stats.folded += len(codes)
        return Intake(latest, codes, pane, first, rows.time, rows.offset, rows.running, inputs, letters)

    def _inputs(self, columns: Mapping[str, Column], n: int) -> dict[str, Input]:
        """Return what each aggregate takes; equal expressions are evaluated once."""
        masks: dict[str, NDArray[np.bool_]] = {}
        values: dict[str, Column] = {}
        inputs: dict[str, Input] = {}
        for each in self._plan.aggregates:
            mask = None
            if each.where is not None:
                mask = masks.get(each.where.text)
                if mask is None:
                    mask = masks[each.where.text] = each.where.holds(columns, n)
            for one in (each.of, each.by):
                if one is not None and one.text not in values:
                    values[one.text] = one.evaluate(columns, n)
            of = None if each.of is None else values[each.of.text]
            inputs[each.name] = (mask, of) if each.by is None else (mask, of, values[each.by.text])
        return inputs

    def _late(self, batch: Batch, rows: _Rows, late: Index) -> list[Event]:
        self._engine.stats.late += len(late)
        topic = self._plan.late_topic
        if topic is None:
            return []
        message = f"all windows of table {self._plan.name} that it belongs to were closed"
        return [self._letter(batch, int(row), topic, LATE, message) for row in rows.where[late]]

    def _refused(self, batch: Batch, rows: _Rows, codes: Ints) -> list[Event]:
        letters = []
        for row in np.flatnonzero(codes < 0).tolist():
            reason, message = self._why(rows, row, int(codes[row]))
            self._engine.stats.dead[reason] += 1
            letters.append(self._letter(batch, int(rows.where[row]), self._plan.dead_letters, reason, message))
        return letters

    def _why(self, rows: _Rows, row: int, code: int) -> tuple[str, str]:
        name = self._plan.name
        if code == FULL:
            most = self._plan.table.max_keys
            return reasons.TOO_MANY_KEYS, f"table {name} has {most} keys in this partition; raise `max_keys` or expire"
        if code == LARGE:
            return (
                reasons.TOO_LARGE,
                f"with its key and texts a row of table {name} would not fit in one changelog record",
            )
        key = self._plan.key
        values = {part: rows.columns[part].take(np.array([row])).tolist()[0] for part in key}
        for part, value in values.items():
            if value is None:
                return reasons.NULL_KEY, f"key field {part} of table {name} is null"
        shown = ", ".join(f"{part}={value!r:.100}" for part, value in values.items())
        return reasons.WRONG_TYPE, f"{shown} cannot be a key of table {name}: it is made of texts and finite numbers"

    def _letter(self, batch: Batch, row: int, to: str, reason: str, message: str) -> Event:
        if batch.source is None:
            raise ValueError(f"a batch of {batch.origin} came without the records that it was decoded from")
        topic, _, partition = batch.origin.rpartition("-")
        index = int(batch.rows[row])
        return letter(batch.source, index, to=to, topic=topic, partition=int(partition), reason=reason, message=message)


@dataclass(slots=True)
class _Rows:
    """Rows on their way in: which rows of the batch they are, and their values."""

    where: Index
    columns: dict[str, Column]
    time: Ints
    offset: Ints
    running: Ints

    def take(self, rows: Index) -> _Rows:
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return _Rows(self.where[rows], columns, self.time[rows], self.offset[rows], self.running[rows])


def _cut(given: Input, rows: slice) -> Input:
    """Return a part of what an aggregate takes."""
    mask, of, by = given if len(given) == 3 else (*given, None)  # noqa: PLR2004 - with `by`
    mask = None if mask is None else mask[rows]
    of = None if of is None else of.take(rows)
    return (mask, of) if by is None else (mask, of, by.take(rows))


def _running(batch: Batch, z: int, watermark: int) -> tuple[Ints, int]:
    """Return the origin's greatest event time up to each row of the batch, and after all of it.

    What the table has skipped it has not seen: a table that is new in mid-stream has no watermark for it.
    """
    seen = batch.seen
    offset, time = (batch.offset, batch.time) if seen is None else (seen.offset, seen.time)
    skipped = int(np.searchsorted(offset, z, "right"))
    if skipped:
        time = np.concatenate((np.full(skipped, watermark), time[skipped:]))
    if not len(time):
        return time, watermark
    running = np.maximum(np.maximum.accumulate(time), watermark)
    return (running if seen is None else running[seen.at]), int(running[-1])


def _after(offset: Ints, z: int) -> Index | None:
    """Return the rows whose offset is greater than `z`, None if all are."""
    skipped = int(np.searchsorted(offset, z, "right"))
    return np.arange(skipped, len(offset)) if skipped else None


def _take(array: Ints, rows: Index | None) -> Ints:
    return array if rows is None else array[rows]


def _column(column: Column, rows: Index | None) -> Column:
    return column if rows is None else column.take(rows)
