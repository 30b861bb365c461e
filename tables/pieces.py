"""Many texts in one block of bytes, as a write has them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Pieces(NamedTuple):
    """Texts in one block.

    Args:
        data: holds them.
        sizes: shape (n,) int64, bytes of each.
        starts: shape (n,), where each begins; None where they lie one behind the other.
    """

    data: bytes
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Pieces:
        """Put texts together."""
        return cls(b"".join(texts), np.fromiter(map(len, texts), np.int64, len(texts)))

    @classmethod
    def joined(cls, parts: Sequence[Pieces]) -> Pieces:
        """Return all texts of some blocks, one behind the other."""
        parts = [part.together() for part in parts]
        if len(parts) == 1:
            return parts[0]
        return cls(b"".join([part.data for part in parts]), np.concatenate([part.sizes for part in parts]))

    @property
    def size(self) -> int:
        """Bytes of all."""
        return len(self.data) if self.starts is None else int(self.sizes.sum())

    def take(self, at: NDArray[np.intp]) -> Pieces:
        """Return those at these positions, where they lie."""
        starts = self.sizes.cumsum() - self.sizes if self.starts is None else self.starts
        return Pieces(self.data, self.sizes[at], starts[at])

    def cut(self) -> list[bytes]:
        """Return each by itself."""
        data, starts = self.data, self.starts
        if starts is None:
            return [data[start:end] for start, end in pairwise([0, *self.sizes.cumsum().tolist()])]
        ends = (starts + self.sizes).tolist()
        return [data[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]

    def together(self) -> Pieces:
        """Return them one behind the other."""
        return self if self.starts is None else Pieces.of(self.cut())
