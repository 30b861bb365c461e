"""Record values side by side in one buffer, so that a batch of them needs no object a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from tables.reductions import summed

NULL = -1
"""The length of a value that is null."""


@dataclass(frozen=True)
class Packed(Sequence[bytes | None]):
    """n byte strings in one buffer; each becomes an object when it is asked for.

    Args:
        buffer: holds all of them, and what lies between.
        start: shape (n,), where each begins.
        length: shape (n,), bytes of each; `NULL` where there is none.
    """

    buffer: bytes
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    @cached_property
    def array(self) -> NDArray[np.uint8]:
        """The buffer as numbers."""
        return np.frombuffer(self.buffer, np.uint8)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start)

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...
    @overload
    def __getitem__(self, row: slice) -> Packed: ...
    def __getitem__(self, row: int | slice) -> bytes | Packed | None:
        """Return one of them, or some in the same buffer."""
        if isinstance(row, slice):
            return Packed(self.buffer, self.start[row], self.length[row])
        start, length = int(self.start[row]), int(self.length[row])
        return None if length == NULL else self.buffer[start : start + length]

    def take(self, rows: NDArray[np.intp]) -> Packed:
        """Return some of them, in the same buffer."""
        return Packed(self.buffer, self.start[rows], self.length[rows])

    def tolist(self) -> list[bytes | None]:
        """Return all of them as objects."""
        buffer, ends = self.buffer, (self.start + np.maximum(self.length, 0)).tolist()
        found: list[bytes | None] = [buffer[start:end] for start, end in zip(self.start.tolist(), ends, strict=True)]
        for row in np.flatnonzero(self.length == NULL).tolist():
            found[row] = None
        return found

    def size(self) -> int:
        """Return the bytes of all of them."""
        return summed(np.maximum(self.length, 0))


def joined(parts: Sequence[Packed]) -> Packed:
    """Return the values of several as one; only that part of each buffer is copied in which they lie."""
    buffers, starts, size = [], [], 0
    for part in parts:
        if not len(part):
            continue
        low, high = int(part.start.min()), int((part.start + np.maximum(part.length, 0)).max())
        buffers.append(memoryview(part.buffer)[low:high])
        starts.append(part.start - (low - size))
        size += high - low
    if not starts:
        return parts[0]
    return Packed(b"".join(buffers), np.concatenate(starts), np.concatenate([part.length for part in parts]))
