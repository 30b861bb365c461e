"""Many texts in one block of bytes, as a write has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tables.chunk import Spans, pieces

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

    @property
    def spans(self) -> Spans:
        """Where each lies."""
        return Spans(self.sizes.cumsum() - self.sizes if self.starts is None else self.starts, self.sizes)

    def take(self, at: NDArray[np.intp]) -> Pieces:
        """Return those at these positions, where they lie."""
        some = self.spans.take(at)
        return Pieces(self.data, some.size, some.start)

    def cut(self) -> list[bytes]:
        """Return each by itself."""
        return cast("list[bytes]", pieces(self.data, self.spans))

    def together(self) -> Pieces:
        """Return them one behind the other."""
        return self if self.starts is None else Pieces.of(self.cut())
