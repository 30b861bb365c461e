"""Groups of cells: the cells of one pane that count from the same window on, and how their state rows are found."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.records import group_prefix
from tables.reductions import greatest, least

if TYPE_CHECKING:
    from tables.aggregates.base import Rows

Codes = NDArray[np.int64]
INDEX_BYTES = 64 << 20
"""What the dense tables of one partition may take; groups beyond it are indexed again when they are touched."""
_MOST_SLOTS = 4
_NONE = -1


class Group:
    """The cells of one group in the order in which they came.

    Args:
        serial: number of the group in this process.
        pane: pane number.
        first: the first window for which its rows count.

    Attributes:
        count: how many cells are in memory.
        cold: how many open cells are in the local store only.
    """

    __slots__ = ("_codes", "_rows", "cold", "count", "first", "pane", "prefix", "serial")

    def __init__(self, serial: int, pane: int, first: int) -> None:
        """Make an empty group."""
        self.serial = serial
        self.pane = pane
        self.first = first
        self.prefix = group_prefix(pane, first)
        self.count = self.cold = 0
        self._codes = np.empty(16, np.int64)
        self._rows = np.empty(16, np.intp)

    @property
    def codes(self) -> Codes:
        """Key codes of the cells, shape (count,), distinct."""
        return self._codes[: self.count]

    @property
    def rows(self) -> Rows:
        """State rows of the cells, shape (count,)."""
        return self._rows[: self.count]

    def extend(self, codes: Codes, rows: Rows) -> None:
        """Add cells that the group does not have yet."""
        end = self.count + len(codes)
        if end > len(self._codes):
            room = max(end, 2 * len(self._codes))
            self._codes = np.concatenate((self.codes, np.empty(room - self.count, np.int64)))
            self._rows = np.concatenate((self.rows, np.empty(room - self.count, np.intp)))
        self._codes[self.count : end] = codes
        self._rows[self.count : end] = rows
        self.count = end

    def remove(self, rows: Rows) -> None:
        """Take cells out, by their state rows."""
        self.keep(~np.isin(self.rows, rows))

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Take all cells out but those of a mask of shape (count,)."""
        self._codes, self._rows = self.codes[kept], self.rows[kept]
        self.count = len(self._codes)


class Index:
    """(group, key code) -> state row, as one dense int32 table a group for the groups used last.

    A dense table answers a look-up in about a nanosecond, but takes four bytes a key whether or not the group has it.
    So only as many groups as `limit` allows have one; another group's is filled from its cells when it is touched.

    Args:
        limit: bytes for all tables; it may be changed while there are none.
    """

    def __init__(self, limit: int = INDEX_BYTES) -> None:
        """Make an index without tables."""
        self.limit = limit
        self._width = 64
        self._slots: OrderedDict[int, int] = OrderedDict()
        self._free: list[int] = []
        self._tables = np.empty((0, self._width), np.int32)

    @property
    def most(self) -> int:
        """How many groups can have a table at once."""
        return max(_MOST_SLOTS, self.limit // (4 * self._width))

    @property
    def flat(self) -> NDArray[np.int32]:
        """All tables behind one another; `places` says where a cell's row stands, -1 where there is no cell."""
        return self._tables.reshape(-1)

    def widen(self, size: int) -> None:
        """Have room for key codes below `size`."""
        if size > self._width:
            self._width = max(size, 2 * self._width)
            self._slots.clear()
            self._free = []
            self._tables = np.empty((0, self._width), np.int32)

    def places(self, groups: list[Group], which: Rows | None, codes: Codes) -> NDArray[np.int64]:
        """Return for each row its place in `flat`, valid until the next call.

        Args:
            groups: at most `most`.
            which: shape (n,), the position in `groups` of each row; None if there is one group.
            codes: shape (n,), all below the size given to `widen`.
        """
        starts = [self._slot(group) * self._width for group in groups]
        if which is None:
            return codes + starts[0]
        return codes + np.array(starts, np.int64)[which]

    def lookup(self, group: Group, codes: Codes) -> Rows:
        """Return the state row of each code in a group, -1 where it has no cell."""
        places = self.places([group], None, codes)
        return self.flat[places].astype(np.intp)

    def enter(self, group: Group, codes: Codes, rows: Rows) -> None:
        """Note cells that a group has got, if it has a table."""
        slot = self._slots.get(group.serial)
        if slot is not None:
            self._tables[slot][codes] = rows

    def drop(self, group: Group) -> None:
        """Forget a group's table."""
        slot = self._slots.pop(group.serial, None)
        if slot is not None:
            self._free.append(slot)

    def _slot(self, group: Group) -> int:
        slot = self._slots.get(group.serial)
        if slot is None:
            slot = self._slots[group.serial] = self._take_slot()
            table = self._tables[slot]
            table.fill(_NONE)
            table[group.codes] = group.rows
        self._slots.move_to_end(group.serial)
        return slot

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        have = len(self._tables)
        if have >= self.most:
            return self._slots.popitem(last=False)[1]
        more = min(max(_MOST_SLOTS, have), self.most - have)
        self._tables = np.concatenate((self._tables, np.empty((more, self._width), np.int32)))
        self._free = list(range(have + more - 1, have, -1))
        return have


def compact(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], Rows]:
    """Return the distinct values, rising, and for each value its position in them; without a sort if they lie close."""
    low, high = int(least(values)), int(greatest(values))
    if high - low >= 4 * len(values) + 1024:
        distinct, index = np.unique(values, return_inverse=True)
        return distinct, index.astype(np.intp, copy=False)
    shifted = values - low
    position = np.zeros(high - low + 1, np.intp)
    position[shifted] = 1
    distinct = np.flatnonzero(position)
    position[distinct] = np.arange(len(distinct))
    return distinct + low, position[shifted]


def pairs(pane: NDArray[np.int64], first: NDArray[np.int64]) -> tuple[list[tuple[int, int]], Rows | None]:
    """Return the distinct (pane, first) of n > 0 rows, and for each row its position in them (None if there is one)."""
    low, begin = int(least(pane)), int(least(first))
    if low == greatest(pane) and begin == greatest(first):
        return [(low, begin)], None
    panes, by_pane = compact(pane)
    firsts, by_first = compact(first)
    both, which = compact(by_pane * len(firsts) + by_first)
    names = zip(panes[both // len(firsts)].tolist(), firsts[both % len(firsts)].tolist(), strict=True)
    return list(names), which
