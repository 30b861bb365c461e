"""Many rows of text or bytes at once: each row is a row of a matrix, and a mask says which of its bytes are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_VARINT_BITS = 7
_MORE = 0x80


class Piece(NamedTuple):
    """Part of every row.

    Args:
        data: shape (rows, width) uint8.
        mask: the same shape; the bytes that are written.
    """

    data: NDArray[np.uint8]
    mask: NDArray[np.bool_]

    @property
    def sizes(self) -> Ints:
        """Bytes that each row takes."""
        return np.count_nonzero(self.mask, axis=1)

    def rows(self) -> list[bytes]:
        """Return the rows, one by one."""
        flat, ends = self.packed(), np.cumsum(self.sizes).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def take(self, which: Ints) -> Piece:
        """Return some rows, by their numbers."""
        return Piece(self.data[which], self.mask[which])

    def packed(self) -> bytes:
        """Return all rows, one behind the other."""
        return self.data[self.mask].tobytes()


def joined(parts: Sequence[Piece | bytes], rows: int) -> Piece:
    """Return rows that consist of parts; bytes are the same in each row."""
    widths = [len(part) if isinstance(part, bytes) else part.data.shape[1] for part in parts]
    data = np.empty((rows, sum(widths)), np.uint8)
    mask = np.ones(data.shape, np.bool_)
    for part, width, end in zip(parts, widths, np.cumsum(widths).tolist(), strict=True):
        columns = slice(end - width, end)
        if isinstance(part, bytes):
            data[:, columns] = np.frombuffer(part, np.uint8)
        else:
            data[:, columns], mask[:, columns] = part
    return Piece(data, mask)


def listed(texts: Sequence[bytes]) -> Piece:
    """Return a text for each row."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    data = np.array(texts, np.bytes_).view(np.uint8).reshape(len(texts), -1)
    return Piece(data, np.arange(data.shape[1]) < sizes[:, None])


def decimal(numbers: Ints, digits: int = 1) -> Piece:
    """Return numbers from 0 up in decimal, with zeros before those of fewer digits."""
    width = max(digits, len(str(int(numbers.max(initial=0)))))
    powers = 10 ** np.arange(width - 1, -1, -1)
    columns = numbers[:, None] // powers
    mask = (columns > 0) | (powers < 10**digits)
    return Piece((columns % 10 + ord("0")).astype(np.uint8), mask)


def rounded(values: NDArray[np.float64]) -> Piece:
    """Return numbers from 0 up with at most three decimals, as Python writes a float: `12.0`, `12.3`, `12.345`."""
    thousandths = np.rint(values * 1000).astype(np.int64)
    fraction = decimal(thousandths % 1000, 3)
    shown = np.stack([thousandths >= 0, thousandths % 100 != 0, thousandths % 10 != 0], axis=1)
    return joined([decimal(thousandths // 1000), b".", Piece(fraction.data, shown)], len(values))


def varint(numbers: Ints) -> Piece:
    """Return numbers from 0 up as Kafka's records have them: zigzag, seven bits a byte, the lowest first."""
    shifted = (numbers << 1)[:, None] >> np.arange(0, 35, _VARINT_BITS)
    following = shifted >> _VARINT_BITS > 0
    mask = shifted > 0
    mask[:, 0] = True
    return Piece((shifted % _MORE + following * _MORE).astype(np.uint8), mask)
