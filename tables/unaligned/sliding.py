"""The open cells of sliding windows of one table partition: one for each key and time, of which windows are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Bounds
from tables.store import cells_of
from tables.unaligned.cells import UnalignedCells
from tables.unaligned.names import named, split_from
from tables.unaligned.overlap import Placed, Windows, merged, touching, windows_of
from tables.unaligned.pairs import pairs
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tables.aggregates.base import Rows
    from tables.columns import Column
    from tables.keys import Codes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.sliding import Sliding

Ints = NDArray[np.int64]
_NEW = -1
_EXTRA = 8
"""Bytes that a name has more than one with one time."""


class SlidingCells(UnalignedCells):
    """The open cells of one table partition; what stands for windows has shape (m, 2): key codes and ends.

    Of each cell `first` is the time of its rows, and `last` the least end of a window that they count in.

    Args:
        table: the declared table.
        window: its window.
    """

    def __init__(self, table: Table, window: Sliding) -> None:
        """Make a partition without cells."""
        super().__init__(table, window.panes())
        self._size = window.size

    # Fold

    def _located(self, codes: Codes, time: Ints, first: Ints) -> tuple[Placed, Rows]:
        """Return the distinct cells of rows, `_NEW` as state row of those that are missing, and each row's position.

        Rows that count in all windows that hold them are one cell, whatever was open when they came.
        """
        near = self._of(codes, int(time.min()), int(time.max()))
        known = self._rows
        code = np.concatenate((known.code[near], codes))
        at = np.concatenate((known.first[near], time))
        counts = np.concatenate((known.last[near], np.maximum(first, time + 1)))
        order = np.lexsort((counts, pairs((code, at))[0]))
        begins = np.ones(len(order), bool)
        begins[1:] = ~np.logical_and.reduce([each[order][1:] == each[order][:-1] for each in (code, at, counts)])
        group = np.empty(len(order), np.intp)
        group[order] = np.cumsum(begins) - 1
        used, index = np.unique(group[len(near) :], return_inverse=True)
        rows = np.full(int(begins.sum()), _NEW, np.intp)
        rows[group[: len(near)]] = near
        heads = order[begins][used]
        return Placed(rows[used], code[heads], at[heads], counts[heads]), index

    def _of(self, codes: Codes, from_: int, to: int = FOREVER) -> Rows:
        """Return the cells of keys with times from `from_` to `to`, both included."""
        wanted = np.zeros(self.keys.size, bool)
        wanted[codes] = True
        rows = self._rows.all()
        times = self._rows.first[rows]
        rows = rows[(times >= from_) & (times <= to)]
        return rows[wanted[self._rows.code[rows]]]

    def _places(self, codes: Codes, pane: Ints, first: Ints) -> tuple[int, int]:
        cells, _ = self._located(codes, pane, first)
        new = cells.rows == _NEW
        known = cells.rows[~new]
        old, added = self._cost(known[~self._rows.dirty[known]]), self._cost_of_new(cells.code[new])
        return old[0] + added[0], old[1] + added[1]

    def _enter(self, codes: Codes, pane: Ints, first: Ints) -> tuple[Rows, Rows]:
        cells, index = self._located(codes, pane, first)
        rows, new = cells.rows.copy(), cells.rows == _NEW
        rows[new] = fresh = self._rows.add(cells.code[new])
        self._rows.first[fresh], self._rows.last[fresh] = cells.time[new], cells.counts[new]
        self._soil(rows)
        self._least = min(self._least, int(pane.min()))
        return rows, index

    def _names(self, codes: Codes) -> Ints:
        return super()._names(codes) + _EXTRA

    def _named(self, at: Rows, first: Ints, last: Ints) -> list[bytes]:
        return named(self.panes.drawer(first), self.keys.keys(self._rows.code[at]), first, last)

    def _drawers(self, rows: Rows) -> Ints:
        return self.panes.drawer(self._rows.first[rows])

    def _numbers(self, rows: Rows) -> Ints:
        return self._rows.first[rows] + (self._size + 2)

    # Windows

    def _placed(self, rows: Rows) -> Placed:
        each = self._rows
        return Placed.of(rows, each.code[rows], each.first[rows], each.last[rows])

    def _near(self, codes: Codes, from_: int) -> Placed:
        """Return the cells of keys that windows hang on which end at `from_` or later."""
        return self._placed(self._of(codes, from_ - (self._size + 2)))

    def touched(self) -> Rows:
        """Return the windows in which dirty cells count, and those that begin after them."""
        return self._changed_by(np.flatnonzero(self._rows.dirty))

    def changed(self, since: int) -> Rows:
        """Return the same of cells that are dirty, or that a write after write `since` wrote last."""
        return self._changed_by(np.flatnonzero(self._rows.alive & (self._rows.dirty | (self._rows.written > since))))

    def _changed_by(self, rows: Rows) -> Rows:
        if not len(rows):
            return _handles(Windows(np.empty(0, np.int64), np.empty(0, np.int64)))
        from_, to = int(self._rows.first[rows].min()) + 1, int(self._rows.first[rows].max()) + self._size + 3
        windows = windows_of(self._near(self._rows.code[rows], from_), self._size, from_, to)
        return _handles(windows.take(touching(self._placed(rows), windows, self._size)))

    def closing(self, from_: int, to: int) -> Rows:
        """Return the windows whose numbers are in `[from_, to)`, by number and key bytes."""
        return self.in_order(_handles(self._between(from_, to)), from_)

    def _between(self, from_: int, to: int) -> Windows:
        rows = self._rows.all()
        up_to, after = self._rows.first[rows] + 1, self._numbers(rows)
        ends = ((from_ <= up_to) & (up_to < to)) | ((from_ <= after) & (after < to))
        return windows_of(self._near(self._rows.code[rows[ends]], from_), self._size, from_, to)

    def in_order(self, windows: Rows, from_: int) -> Rows:
        """Return those of the windows that have numbers from `from_` on, by number and key bytes."""
        late = windows[windows[:, 1] >= from_]
        return late[self._order(late[:, 1], self.keys_of(late))]

    def next_number(self, from_: int) -> int | None:
        """Return the least number of an open window from `from_` on; None if there is none."""
        rows = self._rows.all()
        rows = rows[self._numbers(rows) >= from_]
        ends = self._rows.first[rows] + 1
        whole = (ends == self._rows.last[rows]) & (ends >= from_)
        least = int(ends[whole].min(initial=FOREVER))
        ends = self._between(from_, least).end
        return int(ends.min()) if len(ends) else None if least == FOREVER else least

    def last_number(self, from_: int) -> int | None:
        """Return the greatest one."""
        ends = self._between(from_, FOREVER).end
        return int(ends.max()) if len(ends) else None

    def spans(self, windows: Rows) -> list[tuple[int, ...]]:
        """Return number, start and end (ms) of windows."""
        return [(end, end - self._size - 1, end) for end in windows[:, 1].tolist()]

    def keys_of(self, windows: Rows) -> list[bytes]:
        """Return the key bytes of windows."""
        return self.keys.keys(windows[:, 0])

    def results(self, windows: Rows) -> dict[str, Column]:
        """Return every aggregate over these windows by name, in their order."""
        asked = Windows(windows[:, 0], windows[:, 1])
        cells = self._near(asked.code, int(asked.end.min(initial=FOREVER)))
        state, rows = merged(self.table.aggregates, self._rows.state, cells, asked, self._size)
        starts = asked.end - (self._size + 1)
        columns, bounds = self.table.aggregates.items(), Bounds(starts, asked.end)
        found = {name: each.result_within(state.of(name), rows, bounds) for name, each in columns}
        return self._shapes.cleared(found, self.panes.drawer(starts))

    # Forget and restore

    def stored(self, store: Store, after: int, to: int) -> list[tuple[int, bytes, *tuple[int, ...]]]:
        """Return (number, key bytes, start, end) of the windows in a store with numbers from `after` to `to`."""
        wanted = self._wanted(store, after, to + self._size + 2)
        names = [split_from(name) for drawer in wanted for name, _ in cells_of(store, drawer, 0)]
        keys, cells = placed(names)
        windows = windows_of(cells, self._size, after, to + 1)
        found = zip(windows.code.tolist(), windows.end.tolist(), strict=True)
        return sorted((end, keys[code], end - self._size - 1, end) for code, end in found)

    def _restored(self, items: list[tuple[bytes, bytes]], judged_before: int) -> int:
        names = [split_from(name) for name, _ in items]
        time, counts = (np.array([name[part] for name in names], np.int64) for part in (1, 2))
        at = self._rows.restore([key for key, _, _ in names], [value for _, value in items], time)
        rows = self._rows
        rows.last[at] = rows.kept_last[at] = counts
        closed = at[self._numbers(at) < judged_before]
        if len(closed):
            rows.drop(closed)
        return len(at) - len(closed)


def placed(names: Sequence[tuple[bytes, int, int]]) -> tuple[list[bytes], Placed]:
    """Return the keys, rising, of cells (key bytes, time, `counts`), and the cells; their rows are their positions."""
    keys = sorted({key for key, _, _ in names})
    number = {key: at for at, key in enumerate(keys)}
    code = np.array([number[key] for key, _, _ in names], np.int64)
    time, counts = (np.array([name[part] for name in names], np.int64) for part in (1, 2))
    return keys, Placed.of(np.arange(len(names)), code, time, counts)


def _handles(windows: Windows) -> Rows:
    return np.stack((windows.code, windows.end), axis=1)
