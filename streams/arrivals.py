"""Rows of a batch on their way into a table, and the watermark that runs along with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from streams.effects import Batch
    from streams.planned import TablePlan
    from streams.stats import TableStats
    from tables.columns import Column
    from tables.ids import Marks

Ints = NDArray[np.int64]
Index = NDArray[np.intp]


def _none() -> Ints:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class Arrivals:
    """Some rows of a batch, n of them.

    Args:
        where: which rows of the batch they are.
        columns: the fields and derived fields that the table needs.
        time: shape (n,), event time in ms.
        offset: shape (n,).
        running: shape (n,), the greatest event time of the origin up to each row.
        pane: shape (n,), pane numbers, once they are known.
        first: shape (n,), the first window in which each row counts, once it is known.
        codes: shape (n,), key codes, once they are known.
        ids: their ids, where the table has some, once they are known.
    """

    where: Index
    columns: dict[str, Column]
    time: Ints
    offset: Ints
    running: Ints
    pane: Ints = field(default_factory=_none)
    first: Ints = field(default_factory=_none)
    codes: Ints = field(default_factory=_none)
    ids: Marks | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.where)

    def take(self, rows: Index) -> Arrivals:
        """Return some of the rows."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        known = (self.pane, self.first, self.codes)
        pane, first, codes = (each[rows] if len(each) else each for each in known)
        ids = None if self.ids is None else self.ids[rows]
        return Arrivals(
            self.where[rows], columns, self.time[rows], self.offset[rows], self.running[rows], pane, first, codes, ids
        )


def running(batch: Batch, z: int, watermark: int) -> tuple[Ints, int]:
    """Return the origin's greatest event time up to each row of the batch, and after all of it.

    What the table has skipped it has not seen: a table that is new in mid-stream has no watermark for it.

    Args:
        batch: of one origin.
        z: the last offset of that origin that was folded already.
        watermark: of that origin, before the batch.
    """
    if batch.rekeyed is not None:  # the sender may have begun anew, so that the greater of the two is the true one
        return np.maximum(batch.rekeyed.running, watermark), max(batch.rekeyed.watermark, watermark)
    seen = batch.seen
    offset, time = (batch.offset, batch.time) if seen is None else (seen.offset, seen.time)
    skipped = int(offset.searchsorted(z, "right"))
    if skipped:
        time = np.concatenate((np.full(skipped, watermark), time[skipped:]))
    if not len(time):
        return time, watermark
    greatest = np.maximum(np.maximum.accumulate(time), watermark)
    return (greatest if seen is None else greatest[seen.at]), int(greatest[-1])


def unread(batch: Batch, z: int, needs: frozenset[str], greatest: Ints) -> Arrivals:
    """Return the rows whose offset is greater than `z`, with the columns that a table needs.

    Rows that came through a re-key bring what is needed after `derive` and `where`, and nothing else.
    """
    skipped = int(batch.offset.searchsorted(z, "right"))
    names = needs if batch.rekeyed is None else batch.columns.keys()
    columns = {name: batch.columns[name] for name in names if name in batch.columns}
    rows = Arrivals(np.arange(len(batch)), columns, batch.time, batch.offset, greatest)
    return rows.take(np.arange(skipped, len(batch))) if skipped else rows


def wanted(rows: Arrivals, plan: TablePlan, stats: TableStats) -> Arrivals:
    """Return the rows that hold a table's `where`, with their derived fields; count the others."""
    for name, expression in plan.derive.items():
        rows.columns[name] = expression.evaluate(rows.columns, len(rows))
    if plan.where is None:
        return rows
    kept = np.flatnonzero(plan.where.holds(rows.columns, len(rows)))
    stats.filtered += len(rows) - len(kept)
    return rows if len(kept) == len(rows) else rows.take(kept)
