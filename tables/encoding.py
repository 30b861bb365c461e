"""Cells put together from their fixed parts and what they have of each variable column."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tables import fast
from tables.aggregates.base import Objects
from tables.chunk import view_at
from tables.packing import Packed, unpack
from tables.packing import sizes as packed_sizes
from tables.pieces import Pieces
from tables.ragged import segments
from tables.reductions import summed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from tables.aggregates.base import Ragged, Rows
    from tables.ragged import RaggedColumn


class Entries:
    """What rows have of a ragged column; it lies in the column still.

    Args:
        column: the column.
        rows: shape (m,).

    Attributes:
        said: shape (m,), entries of each row.
        sizes: shape (m,), their bytes.
    """

    def __init__(self, column: RaggedColumn, rows: Rows) -> None:
        """Look up how many there are."""
        self._column, self._rows = column, rows
        self.said = column.lengths(rows)
        self.sizes = self.said * column.dtype.itemsize

    def pieces(self) -> Pieces:
        """Return the bytes of each row."""
        return Pieces(self._column.gather(self._rows)[0].tobytes(), self.sizes)

    def write(self, loops: ModuleType, into: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        """Copy the bytes of each row to its place, and move the places behind them."""
        self._column.write(loops, self._rows, into, places)


class Texts:
    """What rows have of a column of objects: the JSON of each.

    Args:
        texts: by row.

    Attributes:
        said: shape (m,), bytes of each.
        sizes: the same.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        """Put them together."""
        self._pieces = Pieces.of(texts)
        self.said = self.sizes = self._pieces.sizes

    @classmethod
    def of(cls, values: Sequence[Any]) -> Texts:
        """Return the JSON of these values."""
        return cls(list(map(msgspec.json.Encoder().encode, values)))

    def pieces(self) -> Pieces:
        """Return the bytes of each row."""
        return self._pieces

    def write(self, loops: ModuleType, into: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        """Copy the bytes of each row to its place, and move the places behind them."""
        loops.spread(np.frombuffer(self._pieces.data, np.uint8), self.sizes, into, places)


Part = Entries | Packed | Texts
"""What rows have of one variable column: `said` of each in its fixed part, and written in `sizes` bytes."""


def part_of(kind: Ragged | Objects, column: Any, rows: Rows) -> Part:
    """Return what rows have of a variable column of this kind."""
    if isinstance(kind, Objects):
        return Texts.of(column[rows].tolist())
    return Entries(column, rows) if kind.split is None else Packed(column, rows, kind.split)


def sizes_of(kind: Ragged | Objects, column: Any, said: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bytes of what rows have of a variable column, shape (m,), by what their fixed parts say of it."""
    if isinstance(kind, Objects):
        return said.astype(np.int64)
    return packed_sizes(said) if kind.split is not None else said.astype(np.int64) * column.dtype.itemsize


def entries_of(
    kind: Ragged, dtype: np.dtype[Any], blob: bytes, start: NDArray[np.int64], said: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the entries of rows, one row after the other, and how many each has.

    Args:
        kind: of the column.
        dtype: of an entry.
        blob: holds them.
        start: shape (m,), where each row begins in it.
        said: shape (m,), what the fixed parts say of the column.
    """
    if kind.split is not None:
        return unpack(blob, start, said, kind.split)
    lengths = said.astype(np.int64)
    at = segments(start, lengths, np.full(len(lengths), dtype.itemsize))
    return view_at(blob, f"V{dtype.itemsize}")[at].view(dtype), lengths


def together(records: NDArray[Any], parts: Sequence[Part]) -> Pieces:
    """Return cells: the fixed part of each, then what it has of each variable column.

    Args:
        records: the fixed parts, shape (m,).
        parts: one a variable column.
    """
    sizes = sum([part.sizes for part in parts], np.full(len(records), records.itemsize, np.int64))
    if not parts:
        return Pieces(records.tobytes(), sizes)
    if (loops := fast.kernels()) is not None:
        return Pieces(_written(loops, records, parts, sizes), sizes)
    cells: list[bytes] = records.view(f"V{records.itemsize}").tolist()
    for part in parts:
        cells = list(map(add, cells, part.pieces().cut()))
    return Pieces(b"".join(cells), sizes)


def _written(loops: ModuleType, records: NDArray[Any], parts: Sequence[Part], sizes: NDArray[np.int64]) -> bytes:
    """Return the same by compiled loops, of `sizes` bytes each."""
    ends = sizes.cumsum()
    block, places = np.empty(summed(sizes), np.uint8), ends - sizes
    loops.spread(records.view(np.uint8), np.full(len(records), records.itemsize), block, places)
    for part in parts:
        part.write(loops, block, places)
    return block.tobytes()
