"""The windows of a number of rows of one table partition: one cell each, open until it is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Bounds
from tables.records import NEVER, Record
from tables.store import cells_of
from tables.unaligned.cells import same
from tables.unaligned.filling import Filling, filling
from tables.unaligned.names import split
from tables.unaligned.onecell import OneCellEach
from tables.unaligned.span import SPAN
from tables.windows.filled import OPEN, numbered

if TYPE_CHECKING:
    from tables.aggregates.base import Rows
    from tables.keys import Codes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.counted import Counted

Ints = NDArray[np.int64]
_NONE = -1


class CountedCells(OneCellEach):
    """The windows of one table partition. Each has a number since it began, which names it, and one when it is full.

    Of each cell `first` is the number with which it began, and `last` the one with which it was full, `OPEN` before.

    Args:
        table: the declared table.
        window: its window.
    """

    def __init__(self, table: Table, window: Counted) -> None:
        """Make a partition without windows."""
        super().__init__(table, window.panes())
        self._size = window.size
        self._given = NEVER
        self._open: Rows = np.empty(0, np.intp)
        self._full: Rows = np.empty(0, np.intp)
        self._planned: tuple[Codes, Ints, Filling, Rows] | None = None

    # Fold

    def _filling(self, codes: Codes, time: Ints) -> tuple[Filling, Rows]:
        """Return what rows fill, and the state row of each window, `_NONE` if it is a new one.

        It is asked for twice: to cut a batch, and to fold what was not cut.
        """
        if self._planned is not None and same(self._planned[0], codes) and same(self._planned[1], time):
            return self._planned[2:]
        self._know(self.keys.size)
        rows = self._open[codes]
        had = np.zeros(len(codes), np.int64)
        some = rows != _NONE
        had[some] = self._rows.state.of(SPAN)["rows"][rows[some]]
        made = filling(codes, time, had, self._size)
        at = np.where(made.goes_on, self._open[made.code], _NONE)
        self._planned = (codes, time, made, at)
        return made, at

    def _know(self, codes: int) -> None:
        if codes > len(self._open):
            more = max(codes, 2 * len(self._open), 1024) - len(self._open)
            self._open = np.concatenate((self._open, np.full(more, _NONE, np.intp)))

    def _places(self, codes: Codes, pane: Ints, first: Ints) -> tuple[int, int]:
        del first
        made, rows = self._filling(codes, pane)
        known = rows[made.goes_on]
        old = self._cost(known[~self._rows.dirty[known]])
        new = self._cost_of_new(made.code[~made.goes_on])
        return old[0] + new[0], old[1] + new[1]

    def _enter(self, codes: Codes, pane: Ints, first: Ints) -> tuple[Rows, Rows]:
        made, at = self._filling(codes, pane)
        self._planned = None
        rows, new = at.copy(), ~made.goes_on
        rows[new] = self._rows.add(made.code[new])
        self._soil(rows)
        began, filled = self._numbers_for(made, first)
        self._rows.first[rows[new]], self._rows.last[rows[new]] = began, OPEN
        span, full = self._rows.state.of(SPAN), rows[made.full]
        span["rows"][rows] += made.count
        span["first"][rows] = np.where(new, made.first, np.minimum(span["first"][rows], made.first))
        span["last"][rows] = np.where(new, made.last, np.maximum(span["last"][rows], made.last))
        span["number"][rows[new]] = OPEN
        self._rows.last[full] = span["number"][full] = filled
        self._open[made.code[made.full]] = _NONE
        self._open[made.code[~made.full]] = rows[~made.full]
        self._full = np.concatenate((self._full, full[np.argsort(filled)]))
        return rows, made.of_row

    def _numbers_for(self, made: Filling, least: Ints) -> tuple[Ints, Ints]:
        """Return the numbers of the windows that begin, and of those that are full, both in the order of `made`."""
        begins, fills = made.began[~made.goes_on], made.filled[made.full]
        order = np.argsort(np.concatenate((2 * begins, 2 * fills + 1)))
        numbers = np.empty(len(order), np.int64)
        numbers[order] = numbered(least[np.concatenate((begins, fills))[order]], self._given)
        self._given = max(self._given, int(numbers.max(initial=NEVER)))
        return numbers[: len(begins)], numbers[len(begins) :]

    # Hand over what changed

    def _vacated(self, at: Rows) -> list[Record]:
        """Return tombstones for the names that cells had while they were open."""
        rows = self._rows
        moved = at[(rows.kept_first[at] != NEVER) & (rows.kept_last[at] != rows.last[at])]
        return [Record(name, None) for name in self._kept_names(moved)]

    # Windows: the state rows of their cells

    def until(self, watermark: int) -> int:
        """Return the first window that does not close: all that are full do, whatever the watermark."""
        return max(super().until(watermark), self._given + 1 if self._given != NEVER else NEVER)

    def _numbers(self, rows: Rows) -> Ints:
        return self._rows.last[rows]

    def touched(self) -> Rows:
        """Return the state rows of dirty cells, by number."""
        return self._sorted(np.flatnonzero(self._rows.dirty))

    def changed(self, since: int) -> Rows:
        """Return the state rows of the cells that are dirty, or that a write after write `since` wrote last."""
        return self._sorted(np.flatnonzero(self._rows.alive & (self._rows.dirty | (self._rows.written > since))))

    def _sorted(self, rows: Rows) -> Rows:
        """Return the state rows by number: that of an open window is the one with which it began."""
        return rows[np.argsort(self._known_by(rows))]

    def _known_by(self, rows: Rows) -> Ints:
        last = self._rows.last[rows]
        return np.where(last == OPEN, self._rows.first[rows], last)

    def closing(self, from_: int, to: int) -> Rows:
        """Return the state rows of the full windows whose numbers are in `[from_, to)`, by number."""
        numbers = self._rows.last[self._full]
        return self._full[np.searchsorted(numbers, from_) : np.searchsorted(numbers, to)]

    def opened(self, from_: int) -> Rows:
        """Return the state rows of all open windows."""
        del from_
        return self._sorted(self._open[self._open != _NONE])

    def in_order(self, rows: Rows, from_: int) -> Rows:
        """Return those of the state rows that are open, or have numbers from `from_` on, by number."""
        rows = rows[self._rows.alive[rows]]
        return self._sorted(rows[self._rows.last[rows] >= from_])

    def next_number(self, from_: int) -> int | None:
        """Return None: no watermark closes a window."""
        del from_
        return None

    def last_number(self, from_: int) -> int | None:
        """Return None likewise."""
        del from_
        return None

    def spans(self, rows: Rows) -> list[tuple[int, ...]]:
        """Return number, start and end (ms) of the windows of these cells, and the number with which each began."""
        bounds = self._bounds(rows)
        parts = (self._known_by(rows), bounds.start, bounds.end, self._rows.first[rows])
        return list(zip(*(part.tolist() for part in parts), strict=True))

    def _bounds(self, rows: Rows) -> Bounds:
        span = self._rows.state.of(SPAN)
        return Bounds(span["first"][rows], span["last"][rows] + 1)

    def _since(self, rows: Rows) -> Ints:
        return self._rows.first[rows]

    # Forget and restore

    def evict(self, judged_before: int) -> int:
        """Forget the windows that were judged in an earlier write; return how many."""
        self._planned = None
        self._closed.judged_before = judged_before
        count = int(np.searchsorted(self._rows.last[self._full], judged_before))
        gone, self._full = self._full[:count], self._full[count:]
        if count:
            self._closed.note(np.unique(self._drawers(gone)).tolist())
            self._rows.drop(gone)
        return count

    def stored(self, store: Store, after: int, to: int) -> list[tuple[int, bytes, *tuple[int, ...]]]:
        """Return (number, key bytes, start, end, number at the beginning) of the full windows in a store, by number.

        Args:
            store: of the partition.
            after: only of drawers with windows from this number on.
            to: only of those with windows up to this one.
        """
        found: list[tuple[int, bytes, *tuple[int, ...]]] = []
        for drawer in self._wanted(store, after, to):
            items = list(cells_of(store, drawer, 0))
            state = self._rows.state.like()
            at, _ = state.decode([value for _, value in items])
            span, names = state.of(SPAN), [split(name) for name, _ in items]
            spans = zip(span["number"][at].tolist(), span["first"][at].tolist(), span["last"][at].tolist(), strict=True)
            found += [
                (number, key, start, last + 1, began)
                for (key, began), (number, start, last) in zip(names, spans, strict=True)
            ]
        return sorted(found)

    def _restored(self, items: list[tuple[bytes, bytes]], judged_before: int) -> int:
        rows = self._rows
        at, began = self._read(items, "number")
        full = rows.last[at] != OPEN
        self._given = max(self._given, int(began.max()), int(rows.last[at[full]].max(initial=NEVER)))
        self._know(self.keys.size)
        self._open[rows.code[at[~full]]] = at[~full]
        closed = full & (rows.last[at] < judged_before)
        kept = np.concatenate((self._full, at[full & ~closed]))
        self._full = kept[np.argsort(rows.last[kept])]
        if closed.any():
            rows.drop(at[closed])
        return len(at) - int(closed.sum())
