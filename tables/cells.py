"""The open cells of one table partition, in memory: fold, merge panes to windows, hand over what changed, forget.

A cell is a key in a group; a group is (pane, first): the rows of a pane that count for the windows from `first` on.
Closed cells are in the store only. Nothing here reads a clock.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Fold
from tables.groups import Group, Index, pairs
from tables.keys import KeyCodes
from tables.records import NEVER, Record
from tables.state import State
from tables.store import cells_of
from tables.windows import Panes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tables.aggregates.base import Rows
    from tables.columns import Column, Mask
    from tables.keys import Codes
    from tables.spec import Table
    from tables.store import Store

Input = tuple["Mask | None", "Column | None"]
"""What one aggregate takes of n rows: those where the mask holds (None: all), and its `of` column."""
Times = NDArray[np.int64]
RECORD_BYTES = 24
"""At most what Kafka adds to one record of a batch, and the store to one entry."""
LOAD = 20_000
"""Cells that are decoded at once."""


class Cells:
    """The cells of one table partition.

    Args:
        table: the declared table.
    """

    def __init__(self, table: Table) -> None:
        """Make a partition without cells."""
        self.table = table
        self.panes = Panes(table.window)
        self.keys = KeyCodes(table.max_keys)
        self.state = State({name: aggregate.columns() for name, aggregate in table.aggregates.items()})
        self._index = Index()
        self._groups: dict[tuple[int, int], Group] = {}
        self._by_serial: dict[int, Group] = {}
        self._by_pane: dict[int, list[Group]] = {}
        self._serials = 0
        self._closed: list[tuple[int, int, int]] = []
        self._half_expired: bytes | None = None
        self._touched: list[Rows] = []
        self.pending = 0
        self._group_of = np.empty(0, np.int64)
        self._code_of = np.empty(0, np.int64)
        self._written = np.empty(0, np.int64)
        self._size = np.empty(0, np.int64)
        self._dirty = np.empty(0, bool)
        self._local = np.empty(0, np.intp)

    # How much there is

    def __len__(self) -> int:
        """Return the number of open cells."""
        return len(self.state)

    @property
    def closed_groups(self) -> int:
        """How many groups are in the store only."""
        return len(self._closed)

    @property
    def open_groups(self) -> int:
        """How many groups are in memory."""
        return len(self._groups)

    # Fold

    def fold(
        self, codes: Codes, pane: Times, first: Times, inputs: Mapping[str, Input], time: Times, offset: Times
    ) -> Rows:
        """Fold n rows into their cells, which become dirty.

        Args:
            codes: shape (n,), key codes of `self.keys`, none negative.
            pane: shape (n,), pane numbers.
            first: shape (n,), the first window in which each row counts; rows late for all are not given.
            inputs: by aggregate name.
            time: shape (n,), event times in ms.
            offset: shape (n,), offsets in the input partition.

        Returns:
            The distinct state rows that were touched.
        """
        if not len(codes):
            return np.empty(0, np.intp)
        rows = self._locate(codes, pane, first)
        touched, index = self._distinct(rows)
        parts: dict[int, tuple[Rows, Rows, Rows]] = {}
        for name, aggregate in self.table.aggregates.items():
            mask, column = inputs[name]
            if mask is None:
                aggregate.fold(self.state.of(name), Fold(touched, index, column, time, offset))
                continue
            if id(mask) not in parts:
                events = np.flatnonzero(mask)
                parts[id(mask)] = (events, *self._distinct(rows[events]))
            events, some, at = parts[id(mask)]
            taken = None if column is None else column.take(events)
            if len(events):
                aggregate.fold(self.state.of(name), Fold(some, at, taken, time[events], offset[events]))
        self._soil(touched)
        return touched

    def _locate(self, codes: Codes, pane: Times, first: Times) -> Rows:
        """Return the state row of each row's cell, making the cells that are missing."""
        names, which = pairs(pane, first)
        groups = [self._groups.get(name) or self._open(*name) for name in names]
        self._index.widen(self.keys.size)
        most = self._index.most
        if which is None or len(groups) <= most:
            return self._rows_in(groups, which, codes)
        rows = np.empty(len(codes), np.intp)
        for start in range(0, len(groups), most):
            part = np.flatnonzero((which >= start) & (which < start + most))
            rows[part] = self._rows_in(groups[start : start + most], which[part] - start, codes[part])
        return rows

    def _rows_in(self, groups: list[Group], which: Rows | None, codes: Codes) -> Rows:
        places = self._index.places(groups, which, codes)
        flat = self._index.flat
        rows = flat[places]
        new = np.flatnonzero(rows < 0)
        if len(new):
            wanted, order = places[new], np.arange(len(new), dtype=np.int32)
            flat[wanted] = order
            winners = new[flat[wanted] == order]
            fresh = self.state.allocate(len(winners))
            flat[places[winners]] = fresh
            rows[new] = flat[wanted]
            self._enter(groups, None if which is None else which[winners], codes[winners], fresh)
        return rows.astype(np.intp)

    def _enter(self, groups: list[Group], which: Rows | None, codes: Codes, rows: Rows) -> None:
        """Note new cells in their groups."""
        self._grow(int(rows.max()) + 1)
        self._code_of[rows] = codes
        self._written[rows] = NEVER
        self._size[rows] = 0
        self._dirty[rows] = False
        if which is None:
            groups[0].extend(codes, rows)
            self._group_of[rows] = groups[0].serial
            return
        self._group_of[rows] = np.array([group.serial for group in groups])[which]
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(groups)))
        for group, start, end in zip(groups, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            if end > start:
                group.extend(codes[order[start:end]], rows[order[start:end]])

    def _grow(self, size: int) -> None:
        if size <= len(self._local):
            return
        more = max(size, 2 * len(self._local), 1024) - len(self._local)
        for name in ("_group_of", "_code_of", "_written", "_size", "_dirty", "_local"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate((old, np.zeros(more, old.dtype))))

    def _distinct(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the distinct rows, and for each row its position in them, without sorting."""
        local, order = self._local, np.arange(len(rows))
        local[rows] = order
        distinct = rows[local[rows] == order]
        local[distinct] = order[: len(distinct)]
        return distinct, local[rows]

    def _soil(self, rows: Rows) -> None:
        new = rows[~self._dirty[rows]]
        self._dirty[new] = True
        self._touched.append(new)
        self.pending += len(new)

    def _open(self, pane: int, first: int) -> Group:
        group = Group(self._serials, pane, first)
        self._serials += 1
        self._groups[pane, first] = self._by_serial[group.serial] = group
        beside = self._by_pane.setdefault(pane, [])
        beside.append(group)
        beside.sort(key=lambda g: g.first)
        return group

    # Hand over what changed

    def dirty(self) -> Rows:
        """Return the state rows that were touched since the last `flush`."""
        self._touched = [np.concatenate(self._touched)] if self._touched else [np.empty(0, np.intp)]
        return self._touched[0]

    def flush(self, n: int) -> list[Record]:
        """Return the changelog records of all dirty cells as of write `n`, and count them as written."""
        rows = self.dirty()
        rows = rows[np.argsort(self._group_of[rows], kind="stable")]
        values = self.state.encode(rows, n)
        self._written[rows] = n
        self._size[rows] = np.fromiter(map(len, values), np.int64, len(values))
        self._dirty[rows] = False
        self._touched, self.pending = [], 0
        return list(map(Record._make, zip(self._record_keys(rows), values, strict=True)))

    def _record_keys(self, rows: Rows) -> Iterator[bytes]:
        """Yield the changelog keys of state rows that are sorted by group."""
        serials = self._group_of[rows]
        edges = [0, *(np.flatnonzero(np.diff(serials)) + 1).tolist(), len(rows)] if len(rows) else []
        for start, end in zip(edges, edges[1:], strict=False):
            prefix = self._by_serial[int(serials[start])].prefix
            yield from [prefix + key for key in self.keys.keys(self._code_of[rows[start:end]])]

    def touched_windows(self, open_from: int = NEVER) -> list[tuple[int, Codes]]:
        """Return (window, key codes in key order) for each window from `open_from` on that a dirty cell counts in."""
        return self._windows_with(self.dirty(), open_from)

    def written_windows(self, n: int, open_from: int = NEVER) -> list[tuple[int, Codes]]:
        """Return the same for the cells that write `n` wrote last: what it may owe after a restart."""
        rows = [group.rows[self._written[group.rows] == n] for group in self._groups.values()]
        return self._windows_with(np.concatenate(rows) if rows else np.empty(0, np.intp), open_from)

    def _windows_with(self, rows: Rows, open_from: int) -> list[tuple[int, Codes]]:
        serials, found = self._group_of[rows], {}
        for serial in np.unique(serials).tolist():
            group, codes = self._by_serial[serial], self._code_of[rows[serials == serial]]
            for window in range(max(group.first, open_from), self.panes.last_of(group.pane) + 1):
                found.setdefault(window, []).append(codes)
        return [(k, self.keys.ordered(np.unique(np.concatenate(found[k])))) for k in sorted(found)]

    # Windows

    def occupied(self, from_: int, to: int) -> list[int]:
        """Return the windows in `[from_, to)` that have cells, rising."""
        found: set[int] = set()
        for group in self._groups.values():
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
            k: an open window.
            codes: distinct key codes; a key without cells has seen nothing. None takes all of `window(k)`.

        Returns:
            Columns with one row a code, in the order of the codes.
        """
        codes = self.window(k) if codes is None else codes
        state, rows = self._merged(self._of_window(k), codes)
        return {name: each.result(state.of(name), rows) for name, each in self.table.aggregates.items()}

    def _of_window(self, k: int) -> list[Group]:
        """Return the groups that count in a window, by pane and first."""
        wanted = self.panes.panes_of(k)
        if len(wanted) > len(self._by_pane):
            numbers: Iterable[int] = sorted(pane for pane in self._by_pane if pane in wanted)
        else:
            numbers = wanted
        return [group for pane in numbers for group in self._by_pane.get(pane, ()) if group.first <= k]

    def _merged(self, groups: list[Group], codes: Codes) -> tuple[State, Rows]:
        """Return a state and its rows for these codes: the cells themselves, or a merge of several groups."""
        found = [self._find(group, codes) for group in groups]
        if len(found) == 1 and len(found[0][0]) == len(codes):
            return self.state, found[0][1]
        state = self.state.like()
        into = state.allocate(len(codes))
        for at, rows in found:
            for name, aggregate in self.table.aggregates.items():
                if len(rows):
                    aggregate.merge(state.of(name), into[at], self.state.of(name), rows)
        return state, into

    def _find(self, group: Group, codes: Codes) -> tuple[Rows, Rows]:
        """Return which of the codes the group has (positions, rising) and their state rows."""
        self._index.widen(self.keys.size)
        rows = self._index.lookup(group, codes)
        at = np.flatnonzero(rows >= 0)
        return at, rows[at]

    # Forget

    def evict(self, judged_before: int) -> int:
        """Forget the groups all of whose windows were judged in an earlier write; return how many cells they had.

        Args:
            judged_before: the first window that was not judged at the write before.
        """
        gone = [g for g in self._groups.values() if self.panes.last_of(g.pane) < judged_before]
        for group in gone:
            self.state.release(group.rows)
            self._index.drop(group)
            del self._groups[group.pane, group.first], self._by_serial[group.serial]
            self._by_pane[group.pane].remove(group)
            if not self._by_pane[group.pane]:
                del self._by_pane[group.pane]
            self._close(group.pane, group.first)
        return sum(group.count for group in gone)

    def _close(self, pane: int, first: int) -> None:
        heapq.heappush(self._closed, (self.panes.last_of(pane), pane, first))

    def expired(self, watermark: int, budget: int, store: Store) -> list[Record]:
        """Return tombstones for evicted cells whose last window's end + keep has passed, at most `budget`.

        What does not fit is returned by the next calls. The keys are read from the store: closed cells take no memory.
        """
        tombstones: list[Record] = []
        while self._closed and self.panes.end(self._closed[0][0]) + self.table.keep <= watermark:
            _, pane, first = self._closed[0]
            room = budget - len(tombstones)
            keys = [key for key, _ in islice(cells_of(store, pane, first, self._half_expired), room)]
            prefix = Group(0, pane, first).prefix
            tombstones += [Record(prefix + key, None) for key in keys]
            if len(keys) == room:
                self._half_expired = keys[-1] if keys else self._half_expired
                break
            self._half_expired = None
            heapq.heappop(self._closed)
        return tombstones

    def reclaim(self, pinned: Codes) -> int:
        """Give the codes of keys without open cells to other keys; return how many.

        Args:
            pinned: codes that somebody else refers to (alerts that are alive).
        """
        used = np.zeros(self.keys.size, bool)
        used[pinned] = True
        for group in self._groups.values():
            used[group.codes] = True
        codes = self.keys.codes()
        unused = codes[~used[codes]]
        self.keys.forget(unused)
        return len(unused)

    # Restore

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
                self._close(pane, first)
                continue
            group, cells = self._open(pane, first), cells_of(store, pane, first)
            while items := list(islice(cells, LOAD)):
                self._restore(group, [key for key, _ in items], [value for _, value in items])
                yield len(items)

    def _restore(self, group: Group, keys: list[bytes], values: list[bytes]) -> None:
        codes = self.keys.restore(keys)
        rows, written = self.state.decode(values)
        self._enter([group], None, codes, rows)
        self._written[rows] = written.astype(np.int64)
        self._size[rows] = np.fromiter(map(len, values), np.int64, len(values))
        self._index.drop(group)
