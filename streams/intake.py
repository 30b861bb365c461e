"""From a decoded batch to what one table folds: skip, derive, filter, judge lateness, code the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streams.arrivals import Arrivals, running, unread, wanted
from streams.refusals import CROWDED, LARGE, Refusals
from tables.bounded import BoundedCells
from tables.ids import marks
from tables.keys import BAD, keyless
from tables.records import NEVER
from tables.reductions import some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.arrivals import Ints
    from streams.effects import Batch, Event
    from streams.table_engine import TableEngine
    from tables.columns import Column
    from tables.growth import Input
    from tables.ids import Marks


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
        ids: of the rows, where the table has some.
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
    ids: Marks | None = None

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
        ids = None if self.ids is None else self.ids[rows]
        return Intake(watermark, codes, pane, first, time, offset, running, inputs, ids=ids)


class Receiver:
    """Prepares batches for one table partition.

    Args:
        engine: whose plan, cells and counters it uses.
    """

    def __init__(self, engine: TableEngine) -> None:
        """Keep them."""
        self._engine, self._plan, self._cells = engine, engine.plan, engine.cells
        self._refusals = Refusals(engine)

    def receive(self, batch: Batch, z: int, watermark: int, judged: int) -> Intake:
        """Return what of a batch is folded.

        Args:
            batch: of one origin.
            z: the last offset of that origin that was folded already.
            watermark: of that origin, before the batch.
            judged: the first window that is not closed.
        """
        greatest, latest = running(batch, z, watermark)
        rows = unread(batch, z, self._plan.needs, greatest)
        self._engine.stats.skipped += len(batch) - len(rows)
        letters: list[Event] = []
        if len(rows):
            if batch.rekeyed is None:
                rows = wanted(rows, self._plan, self._engine.stats)
            rows = self._timely(batch, rows, judged, letters)
            rows = self._keyed(batch, rows, letters)
            if self._plan.table.unique:
                rows = self._unique(batch, rows, letters)
        inputs = self._inputs(rows.columns, len(rows)) if len(rows) else {}
        if inputs and (large := self._engine.cutter.too_large(rows.codes, inputs)) is not None:
            rows.codes = np.where(large, LARGE, rows.codes)
            rows = self._coded(batch, rows, letters)
            inputs = self._inputs(rows.columns, len(rows))
        self._engine.stats.folded += len(rows)
        return Intake(
            latest, rows.codes, rows.pane, rows.first, rows.time, rows.offset, rows.running, inputs, letters, rows.ids
        )

    def _timely(self, batch: Batch, rows: Arrivals, judged: int, letters: list[Event]) -> Arrivals:
        """Return the rows that count in an open window, with their panes; late ones may make letters.

        A row is late by the running watermark of its own origin; and a window that is closed stays closed whatever
        the origin says (an idle origin, a tick).
        """
        panes = self._cells.panes
        rows.pane = panes.pane(rows.time)
        rows.first = np.maximum(panes.counts_from(rows.pane, rows.running), judged)
        late = panes.late(rows.pane, rows.first)
        if not some(late):
            return rows
        letters += self._late(batch, rows.take(np.flatnonzero(late)))
        return rows.take(np.flatnonzero(~late))

    def _late(self, batch: Batch, rows: Arrivals) -> list[Event]:
        """Return letters for late rows; one that has no key is no row of the table at all, late or not."""
        if batch.rekeyed is not None:  # the sender has refused such rows
            return self._refusals.late(batch, rows)
        bad = keyless([rows.columns[name] for name in self._plan.key])
        unkeyed = rows.take(np.flatnonzero(bad))
        unkeyed.codes = np.full(len(unkeyed), BAD)
        timely = rows.take(np.flatnonzero(~bad)) if len(unkeyed) else rows
        return self._refusals.refused(batch, unkeyed) + self._refusals.late(batch, timely)

    def _keyed(self, batch: Batch, rows: Arrivals, letters: list[Event]) -> Arrivals:
        """Return the rows that have a key, with its codes; the others make dead letters."""
        rows.codes = self._codes(batch, rows)
        if isinstance(self._cells, BoundedCells):
            rows.codes = self._cells.admit(rows.codes, rows.pane, rows.first)
        return self._coded(batch, rows, letters) if some(rows.codes < 0) else rows

    def _codes(self, batch: Batch, rows: Arrivals) -> Ints:
        """Return the key codes; rows of a re-key bring their key bytes, coded once for each key that is left."""
        if batch.rekeyed is None:
            return self._cells.keys.encode([rows.columns[name] for name in self._plan.key])
        of = batch.rekeyed.key[rows.where]
        used = np.flatnonzero(np.bincount(of, minlength=len(batch.rekeyed.keys)))
        codes = np.empty(len(batch.rekeyed.keys), np.int64)
        codes[used] = self._cells.keys.add_all([batch.rekeyed.keys[at] for at in used.tolist()])
        return codes[of]

    def _coded(self, batch: Batch, rows: Arrivals, letters: list[Event]) -> Arrivals:
        letters += self._refusals.refused(batch, rows.take(np.flatnonzero(rows.codes < 0)))
        return rows.take(np.flatnonzero(rows.codes >= 0))

    def _unique(self, batch: Batch, rows: Arrivals, letters: list[Event]) -> Arrivals:
        """Return the rows that were not counted before, with their ids; those for which there is no room make letters.

        It is the last that is asked of a row: one that is late, or that is refused, does not stand for its id.
        """
        remembered, table = self._engine.ids, self._plan.table
        keys = self._cells.keys.keys(rows.codes)
        ids = marks(keys, [rows.columns[name] for name in table.unique], rows.time)
        rows.ids, before = ids, remembered.before(ids, rows.running)
        self._engine.stats.repeated += int(before.sum())
        if before.any():
            rows, ids = rows.take(np.flatnonzero(~before)), ids[~before]
        marked = ids["time"] > NEVER
        crowded = marked & (np.cumsum(marked) > table.max_ids - len(remembered))
        if not crowded.any():
            return rows
        rows.codes = np.where(crowded, CROWDED, rows.codes)
        return self._coded(batch, rows, letters)

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


def _cut(given: Input, rows: slice) -> Input:
    """Return a part of what an aggregate takes."""
    mask, of, by = given if len(given) == 3 else (*given, None)  # noqa: PLR2004 - with `by`
    mask = None if mask is None else mask[rows]
    of = None if of is None else of.take(rows)
    return (mask, of) if by is None else (mask, of, by.take(rows))
