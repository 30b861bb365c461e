"""Which state row is whose: (pane, first, key code) <-> row, found and made a batch at a time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.groups import Group, Index, pairs
from tables.keys import KeyCodes
from tables.records import NEVER
from tables.reductions import every, greatest, least
from tables.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tables.aggregates.base import Fixed, Objects, Ragged, Rows
    from tables.groups import Codes
    from tables.shapes import Shapes
    from tables.windows import Panes

    Part = tuple[Rows | slice, list[Group], Rows | None]
    """Some of the events, their groups, and for each event the position of its group (None if there is one)."""

Times = NDArray[np.int64]
_GONE = -1
_MARK = -2
_maps = count()
"""How many maps this process has had: no two number their cells alike."""
_CELL_BITS = 40
_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1


class CellMap:
    """The groups, keys and state rows of the open cells of one table partition.

    Besides the state, five numbers are kept a row, as arrays indexed by row: `number_of` (of the cell: no other one has
    or had it), `group_of` (serial), `code_of`, `written` (number of the write that wrote it last, `NEVER` if none) and
    `size` (bytes of the value written last, 0 if none).

    Args:
        columns: state columns by aggregate and column name.
        max_keys: most keys.
    """

    def __init__(self, columns: Mapping[str, Mapping[str, Fixed | Ragged | Objects]], max_keys: int) -> None:
        """Make a map without cells."""
        self.keys = KeyCodes(max_keys)
        self.state = State(columns)
        self.index = Index()
        self.groups: dict[tuple[int, int], Group] = {}
        self.by_pane: dict[int, list[Group]] = {}
        self.by_serial: dict[int, Group] = {}
        self._serials = 0
        self._numbers = next(_maps) << _CELL_BITS
        self.number_of: NDArray[np.int64] = np.empty(0, np.int64)
        self.group_of: NDArray[np.int64] = np.empty(0, np.int64)
        self.code_of: NDArray[np.int64] = np.empty(0, np.int64)
        self.written: NDArray[np.int64] = np.empty(0, np.int64)
        self.size: NDArray[np.int64] = np.empty(0, np.int64)
        self.largest = self.state.layout.size
        """Bytes of the largest cell that was written."""
        self._local: NDArray[np.intp] = np.empty(0, np.intp)

    def adopt(self, shapes: Shapes) -> None:
        """Write cells in the present shape from now on, and read those of former ones."""
        self.state.number, self.state.former = shapes.number, dict(shapes.former)

    def open(self, pane: int, first: int) -> Group:
        """Return the group of a pane that counts from window `first` on, new if there is none."""
        group = self.groups.get((pane, first))
        if group is None:
            group = Group(self._serials, pane, first)
            self._serials += 1
            self.groups[pane, first] = self.by_serial[group.serial] = group
            self.by_pane[pane] = sorted([*self.by_pane.get(pane, ()), group], key=lambda g: g.first)
        return group

    def drop(self, group: Group) -> None:
        """Forget a group and release its rows."""
        self.state.release(group.rows)
        self.index.drop(group)
        del self.groups[group.pane, group.first], self.by_serial[group.serial]
        self.by_pane[group.pane].remove(group)
        if not self.by_pane[group.pane]:
            del self.by_pane[group.pane]

    def locate(self, codes: Codes, pane: Times, first: Times, *, blank: bool = True) -> Rows:
        """Return the state row of each of n > 0 events' cell, making the cells that are missing.

        Args:
            codes: of their keys.
            pane: pane numbers.
            first: first windows.
            blank: whether new cells saw nothing; False leaves the fixed part of their state to be written at once.
        """
        rows = np.empty(len(codes), np.intp)
        for part, groups, which in self._parts(codes, pane, first):
            rows[part] = self._make(groups, which, codes[part], blank=blank)
        return rows

    def peek(self, codes: Codes, pane: Times, first: Times) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the state row of each of n > 0 events' cell, -1 if it is missing, and which is its cell's first event.

        No cell is made.
        """
        rows, fresh = np.empty(len(codes), np.intp), np.empty(len(codes), bool)
        for part, groups, which in self._parts(codes, pane, first):
            places = self.index.places(groups, which, codes[part])
            found = self.index.flat[places]
            rows[part], fresh[part] = found, self._first_touch(places, found)
        return rows, fresh

    def _first_touch(self, places: NDArray[np.int64], found: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which events are the first of their cell: of equal places the one that is written last stays."""
        flat, backwards = self.index.flat, places[::-1]
        order = np.arange(len(places), dtype=np.int32)
        flat[backwards] = (_MARK - order)[::-1]
        first: NDArray[np.bool_] = flat[places] == _MARK - order
        flat[places] = found
        return first

    def _parts(self, codes: Codes, pane: Times, first: Times) -> Iterator[Part]:
        """Yield events with the groups that they lie in, as many groups at once as the index can hold."""
        names, which = pairs(pane, first)
        groups = [self.open(*name) for name in names]
        self.index.widen(self.keys.size)
        most = self.index.most
        if which is None or len(groups) <= most:
            yield slice(0, len(codes)), groups, which
            return
        for start in range(0, len(groups), most):
            part = np.flatnonzero((which >= start) & (which < start + most))
            yield part, groups[start : start + most], which[part] - start

    def _make(self, groups: list[Group], which: Rows | None, codes: Codes, *, blank: bool) -> NDArray[np.int32]:
        places = self.index.places(groups, which, codes)
        flat = self.index.flat
        rows = flat[places]
        new = (rows == _GONE).nonzero()[0]
        if len(new):
            wanted, order = places[new], np.arange(len(new), dtype=np.int32)
            flat[wanted] = order
            winners = new[flat[wanted] == order]
            fresh = self.state.allocate(len(winners), blank=blank)
            flat[places[winners]] = fresh
            rows[new] = flat[wanted]
            self._enter(groups, None if which is None else which[winners], codes[winners], fresh)
        return rows

    def _enter(self, groups: list[Group], which: Rows | None, codes: Codes, rows: Rows) -> None:
        """Note new cells in their groups."""
        if which is None:
            self._note(groups[0], codes, rows)
            return
        order = np.argsort(which, kind="stable")
        edges = np.cumsum(np.bincount(which, minlength=len(groups)))[:-1]
        for group, part in zip(groups, np.split(order, edges), strict=True):
            if len(part):
                self._note(group, codes[part], rows[part])

    def _note(self, group: Group, codes: Codes, rows: Rows) -> None:
        self._grow(int(greatest(rows)) + 1)
        self.number_of[rows] = np.arange(self._numbers, self._numbers + len(rows))
        self._numbers += len(rows)
        self.group_of[rows] = group.serial
        self.code_of[rows] = codes
        self.written[rows] = NEVER
        self.size[rows] = 0
        group.extend(codes, rows)

    def _grow(self, size: int) -> None:
        if size > len(self._local):
            self._widen(max(size, 2 * len(self._local), 1024))

    def _widen(self, size: int) -> None:
        for name in ("number_of", "group_of", "code_of", "written", "size", "_local"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)  # memory is taken where it is written first
            new[: len(old)] = old
            setattr(self, name, new)

    def reserve(self, cells: int) -> None:
        """Have room for so many cells, to fill them in without moving those that came before."""
        if cells > len(self._local):
            self._widen(cells)
            self.state.reserve(cells)

    def restore(self, group: Group, keys: list[bytes], values: list[bytes]) -> None:
        """Take cells that were written once into a group.

        Args:
            group: it does not have them yet.
            keys: key bytes, distinct.
            values: cell values.

        Raises:
            ValueError: a value is no cell of this table.
        """
        rows, written = self.state.decode(values)
        codes = self.keys.restore(keys)
        self._note(group, codes, rows)
        self.written[rows] = written.astype(np.int64)
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        self.resize(rows, sizes + (self.state.layout.size if self.state.former else 0))
        self.index.enter(group, codes, rows)

    def cool(self, group: Group, kept: NDArray[np.bool_]) -> None:
        """Forget all cells of a group that are in memory but those of a mask of shape (count,): they are in the store.

        Args:
            group: of the cells.
            kept: those that stay in memory.
        """
        gone = group.rows[~kept]
        self.state.release(gone)
        self.index.drop(group)
        group.keep(kept)
        group.cold += len(gone)

    def place(self, codes: Codes, pane: Times, first: Times) -> tuple[Rows, NDArray[np.bool_]]:
        """Return of n > 0 cells that were written somewhere the rows, and which are the last of equals.

        Args:
            codes: of their keys.
            pane: pane numbers.
            first: first windows.

        Returns:
            Shape (n,) each; the row is -1 where there is no such cell yet. None is made.
        """
        rows, last = np.empty(len(codes), np.intp), np.empty(len(codes), bool)
        for part, groups, which in self._parts(codes, pane, first):
            places = self.index.places(groups, which, codes[part])
            found = self.index.flat[places]
            rows[part], last[part] = found, self._first_touch(places[::-1], found[::-1])[::-1]
        return rows, last

    def note(self, rows: Rows, written: NDArray[np.uint64], sizes: NDArray[np.int64]) -> None:
        """Note by which write cells were written, and how long they are."""
        self.written[rows] = written.astype(np.int64)
        self.resize(rows, sizes)

    def remove(self, rows: Rows) -> None:
        """Forget single cells."""
        for group, gone in self.by_group(rows):
            group.remove(gone)
            self.index.drop(group)
        self.state.release(rows)

    def resize(self, rows: Rows, sizes: NDArray[np.int64]) -> None:
        """Note what some cells take at most, whose values are so long as they are written, or at most will be."""
        most = self.state.most(rows, sizes)
        self.size[rows] = most
        self.largest = max(self.largest, int(greatest(most)))

    def find(self, group: Group, codes: Codes) -> tuple[Rows, Rows]:
        """Return which of the codes a group has (positions, rising) and their state rows."""
        self.index.widen(self.keys.size)
        rows = self.index.lookup(group, codes)
        at = (rows >= 0).nonzero()[0]
        return at, rows[at]

    def distinct(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the distinct rows, and for each row its position in them, without sorting."""
        local, order = self._local, np.arange(len(rows))
        local[rows] = order
        distinct = rows[local[rows] == order]
        local[distinct] = order[: len(distinct)]
        return distinct, local[rows]

    def by_group(self, rows: Rows) -> Iterator[tuple[Group, Rows]]:
        """Yield the groups of these rows, each with its rows by key code, as the groups were made."""
        if not len(rows):
            return
        # Keys lie in memory about as their codes rise: reading them in that order takes a quarter of the time.
        rows = self.code_of[rows] << _ROW_BITS | rows
        rows.sort()
        rows &= _ROW
        serials = self.group_of[rows]
        if serials[0] == greatest(serials) == least(serials):
            yield self.by_serial[int(serials[0])], rows
            return
        order = np.argsort(serials, kind="stable")
        edges = np.flatnonzero(np.diff(serials[order])) + 1
        for part in np.split(order, edges):
            yield self.by_serial[int(serials[part[0]])], rows[part]

    def windows_with(self, rows: Rows, panes: Panes) -> list[tuple[int, Codes]]:
        """Return (window, key codes, rising) for each window in which one of the rows counts, rising."""
        if not len(rows):
            return []
        found: dict[int, list[Codes]] = {}
        for group, part in self.by_group(rows):
            for window in range(group.first, panes.last_of(group.pane) + 1):
                found.setdefault(window, []).append(self.code_of[part])
        return [(k, _together(found[k])) for k in sorted(found)]

    def ordered_windows(self, rows: Rows, panes: Panes) -> list[tuple[int, Codes]]:
        """Return the same, the codes in the order of their key bytes."""
        return [(k, self.keys.ordered(codes)) for k, codes in self.windows_with(rows, panes)]


def _together(parts: list[Codes]) -> Codes:
    """Return the distinct codes, rising, of parts whose codes rise."""
    if len(parts) == 1:
        codes = parts[0]
        new = codes[1:] != codes[:-1]
        return codes if every(new) else codes[np.concatenate(([True], new))]
    return np.unique(np.concatenate(parts))
