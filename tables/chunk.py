"""Records of a changelog as they were read: one block of bytes, and where in it keys and values lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.reductions import greatest, least

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints = NDArray[np.int64]
NOTHING = -1
"""The size of a key or a value that is null."""


@dataclass(slots=True)
class Spans:
    """Pieces of one block of bytes.

    Args:
        start: shape (n,), where each begins.
        size: shape (n,), bytes of each; `NOTHING` for null.
    """

    start: Ints
    size: Ints

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.start)

    @classmethod
    def joined(cls, spans: Sequence[Spans], by: Sequence[int]) -> Spans:
        """Return all of them, each moved by so many bytes."""
        start = [each.start + more for each, more in zip(spans, by, strict=True)]
        return cls(np.concatenate(start), np.concatenate([each.size for each in spans]))

    def take(self, rows: NDArray[Any] | slice) -> Spans:
        """Return some of the pieces."""
        return Spans(self.start[rows], self.size[rows])


@dataclass(slots=True)
class Chunk:
    """Records in the order of their log.

    Args:
        blob: what the spans point into.
        keys: of the n records; those with a null key are not ours and are passed over.
        values: of the same; null is a tombstone.
        hi: the offset after the chunk. Holes lie in it too.
        lo: the offset of its first record; None if there is none.
    """

    blob: bytes
    keys: Spans
    values: Spans
    hi: int
    lo: int | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.keys)

    @classmethod
    def of(cls, keys: Sequence[bytes | None], values: Sequence[bytes | None], hi: int, lo: int | None = None) -> Chunk:
        """Return the chunk of records that are at hand one by one."""
        parts = [*keys, *values]
        size = np.array([NOTHING if part is None else len(part) for part in parts], np.int64)
        start = np.cumsum(np.maximum(size, 0)) - np.maximum(size, 0)
        blob, n = b"".join(part for part in parts if part), len(keys)
        return cls(blob, Spans(start[:n], size[:n]), Spans(start[n:], size[n:]), hi, lo)

    @classmethod
    def joined(cls, chunks: Sequence[Chunk], hi: int) -> Chunk:
        """Return chunks that follow one another as one that ends at `hi`; those of one block are not copied."""
        if not chunks:
            return cls.of([], [], hi)
        blobs = {id(chunk.blob): chunk.blob for chunk in chunks}
        sizes = np.cumsum([0, *map(len, blobs.values())]).tolist()
        moved = dict(zip(blobs, sizes, strict=False))
        by = [moved[id(chunk.blob)] for chunk in chunks]
        keys = Spans.joined([chunk.keys for chunk in chunks], by)
        values = Spans.joined([chunk.values for chunk in chunks], by)
        blob = next(iter(blobs.values())) if len(blobs) == 1 else b"".join(blobs.values())
        return cls(blob, keys, values, hi, next((each.lo for each in chunks if each.lo is not None), None))

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        return int(np.maximum(self.keys.size, 0).sum() + np.maximum(self.values.size, 0).sum())

    def take(self, rows: NDArray[Any] | slice) -> Chunk:
        """Return some of the records, as a chunk of the same end."""
        return Chunk(self.blob, self.keys.take(rows), self.values.take(rows), self.hi, None)

    def items(self) -> list[tuple[bytes | None, bytes | None]]:
        """Return (key, value) of every record."""
        return list(zip(pieces(self.blob, self.keys), pieces(self.blob, self.values), strict=True))


def pieces(blob: bytes, spans: Spans) -> list[bytes | None]:
    """Return the pieces as bytes, None for null; those that are all of one size cost a fifth."""
    size = spans.size
    if not len(size):
        return []
    low, high = int(least(size)), int(greatest(size))
    if low == high:
        return list(repeat(None, len(size))) if low < 0 else _equal(blob, spans.start, low)
    if low >= 0:
        return [blob[start:end] for start, end in zip(spans.start.tolist(), (spans.start + size).tolist(), strict=True)]
    ends = (spans.start + size).tolist()
    rows = zip(spans.start.tolist(), ends, strict=True)
    return [blob[start:end] if end >= start else None for start, end in rows]


def _equal(blob: bytes, start: Ints, size: int) -> list[bytes | None]:
    if not size:
        return [b""] * len(start)
    found: list[bytes | None] = view_at(blob, f"V{size}")[start].tolist()
    return found


def view_at(blob: bytes, dtype: Any) -> NDArray[Any]:
    """Return a view of a block that has at each index what lies from that byte on, read as `dtype`."""
    kind = np.dtype(dtype)
    return np.ndarray((max(0, len(blob) - kind.itemsize + 1),), kind, blob, strides=(1,))
