"""The open cells of one table partition, in memory: fold, merge panes to windows, hand over what changed, forget.

A cell is a key in a group; a group is (pane, first): the rows of a pane that count for the windows from `first` on.
Closed cells are in the store only. Nothing here reads a clock.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Bounds
from tables.cellmap import CellMap
from tables.closed import ClosedGroups
from tables.columns import Lazy
from tables.folding import fold_all
from tables.growth import growth, steady_growth
from tables.records import GROUP_BYTES, NEVER
from tables.reductions import summed
from tables.shapes import Shapes
from tables.store import cells_of
from tables.windows import FOREVER, panes
from tables.written import CellRecords, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tables.aggregates.base import Rows
    from tables.columns import Column
    from tables.groups import Group
    from tables.growth import Input
    from tables.keys import Codes
    from tables.records import Record
    from tables.spec import Table
    from tables.state import State
    from tables.store import Store

    Portion = tuple[list[bytes], Mapping[str, Column]]

Times = NDArray[np.int64]
RECORD_BYTES = 24 + GROUP_BYTES
"""At most what a cell takes in a record batch besides its key and value."""
MAX_CELLS = 20_000
"""Cells of one write: a RocksDB write keeps the GIL."""
MAX_BYTES = 6 << 20
"""Bytes of the cells of one write, which leaves room for alerts and progress in 8 MiB."""


class Cells:
    """The cells of one table partition.

    Args:
        table: the declared table.

    Attributes:
        closed: the groups that are in the store only.
    """

    bounded = False
    """Whether some of the open cells may be in the local store only."""

    def __init__(self, table: Table) -> None:
        """Make a partition without cells."""
        self.table = table
        self.panes = panes(table.window)
        columns = {name: aggregate.columns() for name, aggregate in table.aggregates.items()}
        self._map = CellMap(columns, table.max_keys)
        self._shapes = Shapes()
        self.keys = self._map.keys
        self.closed = ClosedGroups(self.panes, table.keep)
        self._dirty = np.empty(0, bool)
        self._touched: list[Rows] = []
        self._folded: list[Rows] = []
        self._pending = 0
        self._pending_bytes = 0
        self._steady = steady_growth(tuple(table.aggregates.values()))

    def adopt(self, shapes: Shapes) -> None:
        """Go on with state that was shaped otherwise before; to be called before anything is loaded."""
        self._shapes = shapes
        self._map.adopt(shapes)

    def __len__(self) -> int:
        """Return the number of open cells."""
        return len(self._map.state)

    @property
    def map(self) -> CellMap:
        """Which state row is whose: what fills the cells from a changelog writes there."""
        return self._map

    @property
    def pending(self) -> int:
        """How many cells are dirty."""
        return self._pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes the records of the dirty cells take; a bound from above."""
        return self._pending_bytes

    @property
    def open_groups(self) -> int:
        """How many groups are in memory."""
        return len(self._map.groups)

    # Fold

    def plan_cut(  # noqa: PLR0913, PLR0917 - a batch is several columns
        self,
        codes: Codes,
        pane: Times,
        first: Times,
        inputs: Mapping[str, Input],
        max_cells: int = MAX_CELLS,
        max_bytes: int = MAX_BYTES,
    ) -> int:
        """Return how many of the n rows, from the first on, can be folded so that all dirty cells fit one write.

        The bytes are a bound from above. It is 0 only if something is dirty already: flush, and ask again.

        Args:
            codes: as `fold`.
            pane: as `fold`.
            first: as `fold`.
            inputs: as `fold`.
            max_cells: most cells of one write.
            max_bytes: most bytes of their records.
        """
        if not len(codes):
            return 0
        if self._surely_fits(pane, first, self._growth(inputs, len(codes)), max_cells, max_bytes):
            return len(codes)
        grows = growth(self.table.aggregates, inputs, len(codes))
        rows, fresh = self._map.peek(codes, pane, first)
        fresh[rows >= 0] &= ~self._is_dirty(rows[rows >= 0])
        cells = np.cumsum(fresh)
        costs = np.where(fresh, self._sizes(rows) + self.keys.lengths(codes), 0)
        room = np.searchsorted(cells, max_cells - self._pending, "right")
        space = np.searchsorted(np.cumsum(costs + grows), max_bytes - self._pending_bytes, "right")
        return int(max(min(room, space), 0 if self._pending else 1))

    def _surely_fits(self, pane: Times, first: Times, grows: int, max_cells: int, max_bytes: int) -> bool:
        """Return whether the rows fit even if every key were touched in every group, and each cell were the largest."""
        largest = self._map.largest + self.keys.longest + RECORD_BYTES
        room = min(max_cells - self._pending, (max_bytes - self._pending_bytes - grows) // largest)
        if len(pane) <= room:
            return True
        groups = (int(pane.max()) - int(pane.min()) + 1) * (int(first.max()) - int(first.min()) + 1)
        return groups * len(self.keys) <= room

    def _growth(self, inputs: Mapping[str, Input], n: int) -> int:
        """Return how many bytes n rows can add to their cells, all together."""
        return n * self._steady if self._steady is not None else int(growth(self.table.aggregates, inputs, n).sum())

    def _sizes(self, rows: Rows) -> NDArray[np.int64]:
        """Return the bytes of the records of these state rows (-1: a new one) as they were written, without keys."""
        written = self._map.size[rows] if len(self._map.size) else np.zeros(len(rows), np.int64)
        return np.maximum(np.where(rows >= 0, written, 0), self._map.state.layout.size) + RECORD_BYTES

    def _is_dirty(self, rows: Rows) -> NDArray[np.bool_]:
        size = len(self._map.group_of)
        if len(self._dirty) < size:
            self._dirty = np.concatenate((self._dirty, np.zeros(size - len(self._dirty), bool)))
        return self._dirty[rows]

    def fold(  # noqa: PLR0913, PLR0917 - a batch is several columns
        self, codes: Codes, pane: Times, first: Times, inputs: Mapping[str, Input], time: Times, offset: Times
    ) -> Rows:
        """Fold n rows into their cells, which become dirty.

        Args:
            codes: shape (n,), key codes of `self.keys`, none negative.
            pane: shape (n,), pane numbers.
            first: shape (n,), the first window in which each row counts; rows late for all are not given.
            inputs: by aggregate name, (mask or None for all, `of` column or None), each over the n rows; a third is
                the `by` column.
            time: shape (n,), event times in ms.
            offset: shape (n,), offsets in the input partition.

        Returns:
            The distinct state rows that were touched.
        """
        if not len(codes):
            return np.empty(0, np.intp)
        rows = self._map.locate(codes, pane, first)
        touched, index = self._map.distinct(rows)
        fold_all(self.table.aggregates, self._map.state, touched, index, inputs, time, offset)
        self._soil(touched)
        self._folded.append(touched)
        self._pending_bytes += self._growth(inputs, len(codes))
        return touched

    def _soil(self, rows: Rows) -> None:
        new = rows[~self._is_dirty(rows)]
        if not len(new):
            return
        self._dirty[new] = True
        self._touched.append(new)
        self._pending += len(new)
        self._pending_bytes += summed(self._sizes(new) + self.keys.lengths(self._map.code_of[new]))

    # Hand over what changed

    def dirty(self) -> Rows:
        """Return the state rows that were touched since the last `flush`."""
        self._touched = [np.concatenate(self._touched)] if self._touched else [np.empty(0, np.intp)]
        return self._touched[0]

    def flush(self, n: int) -> Written:
        """Return the changelog records of all dirty cells as of write `n`, and count them as written."""
        found = []
        for group, rows in self._map.by_group(self.dirty()):
            values = self._map.state.block(rows, n)
            self._map.resize(rows, values.sizes)
            keys = self.keys.block(self._map.code_of[rows], group.prefix)
            found.append(CellRecords(group.prefix, self._map.number_of[rows], keys, values))
        self._map.written[self.dirty()] = n
        self._dirty[self.dirty()] = False
        self._touched, self._pending, self._pending_bytes = [], 0, 0
        self._folded.clear()
        return Written(found)

    def touched_windows(self) -> list[tuple[int, Codes]]:
        """Return (window, key codes in key order) for each window that a dirty cell counts in."""
        return self._map.ordered_windows(self.dirty(), self.panes)

    def folded_windows(self) -> list[tuple[int, Codes]]:
        """Return the same, codes rising, for the cells that were folded into since the last call, or `flush`."""
        rows = np.concatenate([np.empty(0, np.intp), *self._folded])
        self._folded.clear()
        return self._map.windows_with(rows, self.panes)

    def changed_windows(self, since: int) -> list[tuple[int, Codes]]:
        """Return the same for the cells that are dirty, or that a write after write `since` wrote last."""
        found = [self.dirty()]
        for group in self._map.groups.values():
            rows = group.rows[self._map.written[group.rows] > since]
            found.append(rows[~self._is_dirty(rows)])
        return self._map.ordered_windows(np.concatenate(found), self.panes)

    # Windows

    def occupied(self, from_: int, to: int) -> list[int]:
        """Return the windows in `[from_, to)` that have cells, rising."""
        found: set[int] = set()
        for group in self._map.groups.values():
            if group.count or group.cold:
                found.update(range(max(group.first, from_), min(self.panes.last_of(group.pane) + 1, to)))
        return sorted(found)

    def window(self, k: int) -> Codes:
        """Return the key codes of the cells of window `k`, in the order of their key bytes."""
        codes = [group.codes for group in self._of_window(k)]
        if not codes:
            return np.empty(0, np.int64)
        return self.keys.ordered(codes[0] if len(codes) == 1 else np.unique(np.concatenate(codes)))

    def results(self, k: int, codes: Codes | None = None) -> dict[str, Column]:
        """Return every aggregate over window `k` by name.

        Args:
            k: a window that was not evicted.
            codes: distinct key codes; a key without cells has seen nothing. None takes all of `window(k)`.

        Returns:
            Columns with one row a code, in the order of the codes; null where a column saw a part of the window only.
        """
        return dict(self.lazily(k, self.window(k) if codes is None else codes))

    def lazily(self, k: int, codes: Codes) -> Mapping[str, Column]:
        """Return the same, each aggregate computed when it is asked for: to be read before the cells change."""
        return self._columns(k, *self._merged(self._of_window(k), codes))

    def _columns(self, k: int, state: State, rows: Rows) -> Lazy:
        partial_ = self._shapes.partial(self.panes.panes_of(k).start)

        def column(name: str) -> Column:
            aggregate, seen = self.table.aggregates[name], state.of(name)
            if aggregate.needs_window:
                bounds = Bounds.same(self.panes.start(k), self.panes.end(k), len(rows))
                found = aggregate.result_within(seen, rows, bounds)
            else:
                found = aggregate.result(seen, rows)
            return replace(found, null=np.ones(len(rows), bool)) if name in partial_ else found

        return Lazy(self.table.aggregates, column, lambda at: self._columns(k, state, rows[at]))

    def names(self, k: int, after: bytes | None = None) -> Iterable[list[bytes]]:
        """Return the key bytes of window `k` in order, in portions, from the key after `after` on."""
        names = self.keys.keys(self.window(k))
        return [names if after is None else names[bisect_right(names, after) :]]

    def portions(self, k: int, after: bytes | None = None, until: bytes | None = None) -> Iterable[Portion]:
        """Return all rows of window `k`, in portions that fit in memory: key bytes in order, and their aggregates.

        Args:
            k: a window that was not evicted.
            after: only keys after this one.
            until: only keys up to this one.

        Returns:
            The aggregates as `lazily` gives them: a rule asks for few of all rows, and for all of few rows.
        """
        codes = self.window(k)
        names = self.keys.keys(codes)
        low = 0 if after is None else bisect_right(names, after)
        high = len(names) if until is None else bisect_right(names, until)
        return [(names[low:high], self.lazily(k, codes[low:high]))]

    def having(self, k: int, names: Iterable[bytes]) -> Codes:
        """Return the codes of those of the keys that have a cell of window `k`, in the order of their key bytes."""
        codes = [code for name in names if (code := self.keys.code(name)) is not None]
        found = self.window(k)
        return found[np.isin(found, codes)]

    def _of_window(self, k: int) -> list[Group]:
        """Return the groups that count in a window, by pane and first."""
        numbers: Iterable[int] = self.panes.panes_of(k)
        if len(self.panes.panes_of(k)) > len(self._map.by_pane):
            numbers = sorted(pane for pane in self._map.by_pane if pane in self.panes.panes_of(k))
        return [group for pane in numbers for group in self._map.by_pane.get(pane, ()) if group.first <= k]

    def _merged(self, groups: list[Group], codes: Codes) -> tuple[State, Rows]:
        """Return a state and its rows for these codes: the cells themselves, or a merge of several groups."""
        found = [self._map.find(group, codes) for group in groups if group.count]
        if len(found) == 1 and len(found[0][0]) == len(codes):
            return self._map.state, found[0][1]
        state = self._map.state.like()
        into = state.allocate(len(codes))
        for at, rows in found:
            for name, aggregate in self.table.aggregates.items():
                if len(rows):
                    aggregate.merge(state.of(name), into[at], self._map.state.of(name), rows)
        return state, into

    # Forget and restore

    def evict(self, judged_before: int) -> int:
        """Forget the groups all of whose windows were judged in an earlier write; return how many cells they had.

        Args:
            judged_before: the first window that was not judged at the write before.
        """
        gone = [self._map.groups[name] for name in self.closing(judged_before)]
        for group in gone:
            self._map.drop(group)
            self.closed.note(group.pane, group.first)
        return sum(group.count for group in gone)

    def closing(self, judged_before: int) -> list[tuple[int, int]]:
        """Return the groups (pane, first) that `evict` would forget."""
        return [name for name in self._map.groups if self.panes.last_of(name[0]) < judged_before]

    def next_expiry(self) -> int | None:
        """Return the watermark at which the next closed cells expire; None if there are none."""
        return self.closed.next_expiry()

    def expired(self, watermark: int, budget: int, store: Store, before: int = FOREVER) -> list[Record]:
        """Return tombstones for closed cells that are kept no longer; see `ClosedGroups.expired`."""
        return self.closed.expired(watermark, budget, store, before)

    def reclaim(self, pinned: Codes) -> int:
        """Give the codes of keys without open cells to other keys; return how many.

        Args:
            pinned: codes that somebody else refers to (alerts that are alive).
        """
        used = np.zeros(self.keys.size, bool)
        used[pinned] = True
        for group in self._map.groups.values():
            used[group.codes] = True
        return self.keys.keep_only(used)

    def load(self, store: Store, judged_before: int = NEVER) -> int:
        """Take the open cells out of a store and note the closed groups; return how many cells are open."""
        return sum(self.loading(store, judged_before))

    def loading(self, store: Store, judged_before: int = NEVER) -> Iterator[int]:
        """Do what `load` does in pieces, and yield the number of cells after each.

        Raises:
            ValueError: a cell is not one of this table.
        """
        for pane, first in sorted(store.groups()):
            if self.panes.last_of(pane) < judged_before:
                self.closed.note(pane, first)
                continue
            group, cells = self._map.open(pane, first), cells_of(store, pane, first)
            while items := list(islice(cells, MAX_CELLS)):
                self._map.restore(group, [key for key, _ in items], [value for _, value in items])
                yield len(items)
