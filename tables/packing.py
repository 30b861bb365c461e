"""Entries that are two numbers in one integer, written in as few bytes as both take.

An entry has one number above bit `split` and one below; those of a row rise. A row whose numbers above differ by less
than 256, and whose numbers below are less than that, takes two bytes an entry, behind the least number above in four;
below 65,536 it is four bytes an entry; what is larger is written as it lies in memory, in eight. The count of the
entries and how they are written share one u32: `said`. All is little endian.

With the compiled loops `tables.fast.packing` does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tables import fast
from tables.chunk import view_at
from tables.pieces import Pieces
from tables.ragged import segments

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from tables.aggregates.base import Rows
    from tables.ragged import RaggedColumn

    Ints = NDArray[np.int64]

BASE_BYTES = 4
"""Before the entries of a row that are written short: the least of their numbers above."""
COUNT_BITS = 30
_COUNT = (1 << COUNT_BITS) - 1
WIDTHS = np.array([8, 2, 4])
"""Bytes of an entry, by the code of how a row is written."""
_UNIT = 2
"""All that is written is a multiple of this."""


class Packed:
    """What rows have of a ragged column, as it is written; it lies in the column still.

    Args:
        column: the column.
        rows: shape (m,).
        split: the bits of an entry's lower number.

    Attributes:
        said: shape (m,), what the fixed part says of each row.
        sizes: shape (m,), bytes of each.
    """

    def __init__(self, column: RaggedColumn, rows: Rows, split: int) -> None:
        """Find out how each row is written."""
        self._column, self._rows, self._split = column, rows, split
        if (loops := fast.kernels()) is not None:
            self._codes = column.measure(loops, rows, split)
        else:
            self._codes = codes(*column.gather(rows), split)
        lengths = column.lengths(rows)
        self.said = lengths | self._codes << COUNT_BITS
        self.sizes = _sizes(lengths, self._codes)

    def pieces(self) -> Pieces:
        """Return the bytes of each row."""
        return Pieces(pack(*self._column.gather(self._rows), self._codes, self._split), self.sizes)

    def write(self, loops: ModuleType, into: NDArray[np.uint8], places: Ints) -> None:
        """Write each row at its place, and move the places behind them."""
        self._column.pack(loops, self._rows, self._split, self._codes, into, places)


def sizes(said: NDArray[Any]) -> Ints:
    """Return the bytes of each row.

    Raises:
        ValueError: a row says that it is written in a way that nobody writes.
    """
    lengths, how = _parted(said)
    if how.max(initial=0) >= len(WIDTHS):
        raise ValueError("a cell has entries that are packed in no known form: it is another table's, or damaged")
    return _sizes(lengths, how)


def _sizes(lengths: Ints, how: Ints) -> Ints:
    """Return the same of rows of so many entries that are written so."""
    found: Ints = lengths * WIDTHS[how] + BASE_BYTES * (how > 0)
    return found


def codes(entries: Ints, lengths: Ints, split: int) -> Ints:
    """Return how each row is written, shape (m,).

    Args:
        entries: of all rows, one row after the other.
        lengths: shape (m,), entries of each.
        split: the bits of the lower number.
    """
    found = np.zeros(len(lengths), np.int64)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return found
    ends = lengths.cumsum()[filled]
    first = entries[ends - lengths[filled]] >> split
    below = np.maximum.reduceat(entries & ((1 << split) - 1), ends - lengths[filled])
    most = np.maximum((entries[ends - 1] >> split) - first, below)
    short = np.where(most < 1 << 8, 1, np.where(most < 1 << 16, 2, 0))
    found[filled] = np.where(first < 1 << 8 * BASE_BYTES, short, 0)
    return found


def pack(entries: Ints, lengths: Ints, how: Ints, split: int) -> bytes:
    """Return the entries as they are written, one row after the other.

    Args:
        entries: of all rows.
        lengths: shape (m,), entries of each.
        how: shape (m,), as `codes` says.
        split: the bits of the lower number.
    """
    row, widths, base = _rows(lengths), WIDTHS[how], BASE_BYTES * (how > 0)
    width = widths[row]
    least = np.zeros(len(lengths), np.int64)
    least[lengths > 0] = entries[(lengths.cumsum() - lengths)[lengths > 0]] >> split
    above, below = (entries >> split) - least[row], entries & ((1 << split) - 1)
    value = np.where(how[row] > 0, above | below << 4 * width, entries)
    size = _sizes(lengths, how)
    out, start = np.zeros(size.sum() // _UNIT, "<u2"), size.cumsum() - size
    _spread(out, start, base, least)
    _spread(out, segments(start + base, lengths, widths), width, value)
    return out.tobytes()


def _spread(out: NDArray[Any], at: Ints, width: Ints, value: Ints) -> None:
    """Write numbers of so many bytes at these bytes of `out`."""
    for unit in range(int(width.max(initial=0)) // _UNIT):
        wide = width > unit * _UNIT
        out[at[wide] // _UNIT + unit] = value[wide] >> 16 * unit & 0xFFFF


def unpack(blob: bytes, start: Ints, said: NDArray[Any], split: int) -> tuple[Ints, Ints]:
    """Return the entries of rows, one row after the other, and how many each has.

    Args:
        blob: holds them.
        start: shape (m,), where each row begins in it.
        said: shape (m,), what the fixed part says of each.
        split: the bits of the lower number.
    """
    lengths, how = _parted(said)
    if (loops := fast.kernels()) is not None:
        entries = np.empty(lengths.sum(), np.int64)
        loops.unpack_rows(np.frombuffer(blob, np.uint8), start, lengths, how, split, entries)
        return entries, lengths
    row, widths = _rows(lengths), WIDTHS[how]
    width, entries = widths[row], np.zeros(len(row), np.int64)
    at = segments(start + BASE_BYTES * (how > 0), lengths, widths)
    for unit in range(int(width.max(initial=0)) // _UNIT):
        wide = width > unit * _UNIT
        entries[wide] |= view_at(blob, "<u2")[at[wide] + unit * _UNIT].astype(np.int64) << 16 * unit
    short = how[row] > 0
    least = view_at(blob, "<u4")[start[row[short]]].astype(np.int64)
    half = 4 * width[short]
    entries[short] = (least + (entries[short] & (1 << half) - 1)) << split | entries[short] >> half
    return entries, lengths


def _parted(said: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return of each row how many entries it has, and how they are written."""
    both = said.astype(np.int64)
    return both & _COUNT, both >> COUNT_BITS


def _rows(lengths: Ints) -> Ints:
    """Return for each entry its row."""
    rows: Ints = np.arange(len(lengths)).repeat(lengths)
    return rows
