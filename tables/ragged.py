"""A ragged column: any number of entries a row, all of them in one pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tables.reductions import every, summed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import DTypeLike, NDArray

    from tables.aggregates.base import Rows

_SMALL = 1024
"""Half of the entries a pool has room for at least."""
_MARGIN = 8
"""The part of a planned pool that is added to it, for rows that are larger than the first ones."""


class RaggedColumn:
    """Segments of one pool, one segment a row. A segment that grows is replaced by one at the end of the pool.

    So the work of a batch is proportional to the segments of the rows it touches, which have to be read anyway to be
    written to the changelog, and rows that were replaced together are read back as one slice.

    Args:
        dtype: the numpy dtype of an entry.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        """Make a column without rows."""
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._pool: NDArray[Any] = np.empty(0, self.dtype)
        self._start = np.zeros(0, np.int64)
        self._length = np.zeros(0, np.int64)
        self._used = 0
        self._live = 0
        self._planned = 0

    @property
    def room(self) -> int:
        """The number of entries, living or not, for which there is memory."""
        return len(self._pool)

    @property
    def rows(self) -> int:
        """All rows are smaller than this."""
        return len(self._start)

    def grow(self, capacity: int) -> None:
        """Have room for rows below `capacity`; new rows are empty."""
        start, length = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        start[: len(self._start)], length[: len(self._length)] = self._start, self._length
        self._start, self._length = start, length

    def plan(self, rows: int) -> None:
        """Let the next pool have room for so many rows, each like those that it is made for."""
        self._planned = rows

    def clear(self, rows: Rows) -> None:
        """Empty these rows."""
        self._live -= summed(self._length[rows])
        self._length[rows] = 0

    def lengths(self, rows: Rows) -> NDArray[np.int64]:
        """Return how many entries each of the rows has, shape (m,)."""
        found: NDArray[np.int64] = self._length[rows]
        return found

    def gather(self, rows: Rows) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the entries of the rows, one row after the other, and how many each has, shape (m,): to read only."""
        start, length = self._start[rows], self._length[rows]
        if not len(rows):
            return self._pool[:0], length
        if every(start[1:] == start[:-1] + length[:-1]):
            return self._pool[start[0] : start[-1] + length[-1]], length
        return self._pool.take(segments(start, length)), length

    def write(self, loops: ModuleType, rows: Rows, into: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        """Copy the bytes of the rows' entries by a compiled loop, those of each row to its place.

        Args:
            loops: the compiled ones.
            rows: shape (m,).
            into: where to.
            places: shape (m,): where each is to begin; in the end, where it ends.
        """
        loops.write_rows(self._pool.view(np.uint8), self._start, self._length, self.dtype.itemsize, rows, into, places)

    def measure(self, loops: ModuleType, rows: Rows, split: int) -> NDArray[np.int64]:
        """Return how each of the rows is written packed, shape (m,), by a compiled loop (`tables.packing.codes`)."""
        codes = np.empty(len(rows), np.int64)
        loops.measure(self._pool, self._start, self._length, rows, split, codes)
        return codes

    def pack(  # noqa: PLR0913, PLR0917 - what the loop needs
        self,
        loops: ModuleType,
        rows: Rows,
        split: int,
        codes: NDArray[np.int64],
        into: NDArray[np.uint8],
        places: NDArray[np.int64],
    ) -> None:
        """Write the rows' entries packed, as `write`; `codes` as `measure` returned them."""
        loops.pack_rows(self._pool, self._start, self._length, rows, split, codes, into, places)

    def replace(self, rows: Rows, entries: NDArray[Any], lengths: NDArray[np.int64]) -> None:
        """Give the rows (unique) new entries, one row after the other: `lengths[i]` of them for `rows[i]`."""
        self.clear(rows)
        self._reserve(len(entries), len(rows))
        self._pool[self._used : self._used + len(entries)] = entries
        self._length[rows] = lengths
        self._start[rows] = self._used + np.cumsum(lengths) - lengths
        self._used += len(entries)
        self._live += len(entries)

    def rewrite(self, rows: Rows, more: int, change: Callable[..., tuple[int, int, int]]) -> int:
        """Let a function change entries in place, and write the rows (unique) that grow anew behind the others.

        Args:
            rows: that may grow.
            more: by how many entries at most, all together.
            change: takes the pool, by row where its entries begin and how many they are, and how much of the pool is
                used; returns how much is used now, by how many entries the rows have grown, and what this returns.
        """
        self._reserve(summed(self._length[rows]) + more, len(rows))
        self._used, grown, found = change(self._pool, self._start, self._length, self._used)
        self._live += grown
        return found

    def _reserve(self, more: int, count: int) -> None:
        """Make room for `more` entries of `count` rows: the living ones move to a new pool, of twice what is needed."""
        if self._used + more <= len(self._pool):
            return
        rows = np.flatnonzero(self._length)
        kept, length = self.gather(rows)
        # A new pool each time: the caller may hold a slice of the old one.
        needed = self._live + more
        planned, self._planned = needed * self._planned // max(1, len(rows) + count), 0
        self._pool = np.empty(max(2 * _SMALL, 2 * needed, planned + planned // _MARGIN), self.dtype)
        self._pool[: len(kept)] = kept
        self._start[rows] = np.cumsum(length) - length
        self._used = len(kept)


def segments(
    start: NDArray[np.int64], length: NDArray[np.int64], width: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the positions `start[i] .. start[i] + length[i] - 1` of all i, one after the other.

    Args:
        start: shape (m,).
        length: shape (m,).
        width: shape (m,), where an entry of i takes more than one position: only its first is returned.
    """
    ends: NDArray[np.int64] = length.cumsum()
    before, entries = ends - length, np.arange(int(ends[-1]) if len(ends) else 0)
    if width is not None:
        entries *= width.repeat(length)
        before *= width
    entries += (start - before).repeat(length)
    return entries
