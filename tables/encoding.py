"""Cells put together from their fixed parts and what they have of each variable column."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tables import fast
from tables.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from tables.aggregates.base import Rows
    from tables.ragged import RaggedColumn


class Entries:
    """What rows have of a ragged column; it lies in the column still.

    Args:
        column: the column.
        rows: shape (m,).

    Attributes:
        counts: shape (m,), entries of each row.
        sizes: shape (m,), their bytes.
    """

    def __init__(self, column: RaggedColumn, rows: Rows) -> None:
        """Look up how many there are."""
        self._column, self._rows = column, rows
        self.counts = column.lengths(rows)
        self.sizes = self.counts * column.dtype.itemsize

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
        counts: shape (m,), bytes of each.
        sizes: the same.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        """Put them together."""
        self._pieces = Pieces.of(texts)
        self.counts = self.sizes = self._pieces.sizes

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


def together(records: NDArray[Any], parts: Sequence[Entries | Texts]) -> Pieces:
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


def _written(
    loops: ModuleType, records: NDArray[Any], parts: Sequence[Entries | Texts], sizes: NDArray[np.int64]
) -> bytes:
    """Return the same by compiled loops, of `sizes` bytes each."""
    ends = sizes.cumsum()
    block, places = np.empty(sizes.sum(), np.uint8), ends - sizes
    loops.spread(records.view(np.uint8), np.full(len(records), records.itemsize), block, places)
    for part in parts:
        part.write(loops, block, places)
    return block.tobytes()
