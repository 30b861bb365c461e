"""Records of cells that wait for a store: of a cell that was written again only the last one goes there."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tables.pieces import Pieces
from tables.records import GROUP_BYTES
from tables.written import CellRecords

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tables.store import Item

MERGED = 16
"""Parts of one level that become one."""
_SPARSE = 8
"""So many times as wide as there are numbers, and their range is not marked place by place."""


class _Part:
    """Cells of one group that one write had, or several of them; who reads them has them sorted first."""

    def __init__(self, records: CellRecords, level: int = 0) -> None:
        self.records, self.level = records, level

    @cached_property
    def _sorted(self) -> tuple[list[bytes], list[int], list[int]]:
        """The keys in order, and where the value of each begins and ends."""
        where = self.records.values.spans
        spans = zip(where.start.tolist(), (where.start + where.size).tolist(), strict=True)
        # A cell that left the memory and came back has another number: its older record is not taken for the last one.
        last = dict(zip(self.records.keys.cut(), spans, strict=True))
        keys = sorted(last)
        starts, stops = zip(*map(last.__getitem__, keys), strict=True)
        return keys, list(starts), list(stops)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if it is not here."""
        keys, starts, stops = self._sorted
        at = bisect_left(keys, key)
        found = at < len(keys) and keys[at] == key
        return self.records.values.data[starts[at] : stops[at]] if found else None

    def items(self, start: bytes, most: int) -> Iterator[Item]:
        """Yield the first keys from `start` on, and their values, at most so many."""
        keys, starts, stops = self._sorted
        low, data = bisect_left(keys, start), self.records.values.data
        return ((keys[at], data[starts[at] : stops[at]]) for at in range(low, min(low + most, len(keys))))


class WaitingCells:
    """Records of cells in columns, by group, in the order in which they were written.

    Many small parts would be slow to read: as many as `MERGED` of one level are merged to one of the next, as in a
    log-structured merge tree with tiers (O'Neil et al. 1996).
    """

    def __init__(self) -> None:
        """Let none wait."""
        self._groups: dict[bytes, list[_Part]] = {}
        self._count = 0
        self.size = 0
        """Bytes of keys and values."""

    def __len__(self) -> int:
        """Return how many records there are, those that go nowhere among them."""
        return self._count

    def add(self, parts: Sequence[CellRecords]) -> None:
        """Let more of them wait."""
        for records in parts:
            if len(records.cells):
                group = self._groups.setdefault(records.prefix, [])
                group.append(_Part(records))
                self._note(records, 1)
                self._merge(group)

    def _note(self, records: CellRecords, times: int) -> None:
        self._count += times * len(records.cells)
        self.size += times * records.size

    def _merge(self, group: list[_Part]) -> None:
        """Merge the last parts while enough of them are of one level."""
        while len(group) >= MERGED and group[-MERGED].level == group[-1].level:
            parts = [part.records for part in group[-MERGED:]]
            group[-MERGED:] = [_Part(merged(parts), group[-1].level + 1)]
            for records in parts:
                self._note(records, -1)
            self._note(group[-1].records, 1)

    def prefixes(self) -> set[bytes]:
        """Return what the keys of each group begin with."""
        return set(self._groups)

    def get(self, key: bytes) -> bytes | None:
        """Return the last value of a record key, None if it is not here."""
        found = (part.get(key) for part in reversed(self._groups.get(key[:GROUP_BYTES], ())))
        return next((value for value in found if value is not None), None)

    def items(self, prefix: bytes, start: bytes, most: int) -> list[Item]:
        """Return the first keys with a prefix from `start` on, and the last values, at most so many, in order.

        Args:
            prefix: with the whole of a group's.
            start: the first key.
            most: how many.
        """
        found: dict[bytes, bytes] = {}
        for part in self._groups.get(prefix[:GROUP_BYTES], ()):
            found.update(item for item in part.items(max(start, prefix), most) if item[0].startswith(prefix))
        return sorted(found.items())[:most]

    def slices(self, size: int) -> Iterator[list[CellRecords]]:
        """Yield the last record of each cell, about `size` bytes of them at once, as they were written."""
        parts = [part.records for group in self._groups.values() for part in group]
        if not parts:
            return
        found, most = _last_records(parts), max(1, size * self._count // self.size)
        for low in range(0, len(found), most):
            yield _spread(parts, found[low : low + most])


def merged(parts: Sequence[CellRecords]) -> CellRecords:
    """Return the last record of each cell of parts of one group, the newest part last, in their order."""
    some = _spread(parts, _last_records(parts))
    columns = [each.keys for each in some], [each.values for each in some]
    cells = np.concatenate([each.cells for each in some])
    return CellRecords(parts[0].prefix, cells, *(Pieces.joined(column) for column in columns))


def _last_records(parts: Sequence[CellRecords]) -> NDArray[np.intp]:
    """Return at which positions the last records of cells are, as if the parts were one."""
    return last_of_each(np.concatenate([part.cells for part in parts]))


def _spread(parts: Sequence[CellRecords], at: NDArray[np.intp]) -> list[CellRecords]:
    """Return what is at some positions, rising, as if the parts were one."""
    ends = np.cumsum([len(part.cells) for part in parts])
    edges = [0, *np.searchsorted(at, ends).tolist()]
    places = zip(parts, [0, *ends.tolist()], pairwise(edges), strict=False)
    return [part.take(at[a:b] - start) for part, start, (a, b) in places if b > a]


def last_of_each(numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the positions, rising, of the last of equal numbers (at least one)."""
    n, low = len(numbers), numbers.min()
    if int(numbers.max()) - int(low) >= _SPARSE * n:
        return n - 1 - np.sort(np.unique(numbers[::-1], return_index=True)[1])[::-1]
    places, order = numbers - low, np.arange(n)
    last = np.empty(int(places.max()) + 1, np.intp)
    last[places] = order
    return np.flatnonzero(last[places] == order)
