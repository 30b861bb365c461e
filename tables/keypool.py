"""The key bytes of a table partition, one behind the other: those of a write are copied without an object each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.ragged import RaggedColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


class KeyPool:
    """Key bytes by code, for the compiled loops. Keys are copied here when they are asked for first.

    Args:
        keys: by code, as `KeyCodes` keeps them; None where a code is free.
    """

    def __init__(self, keys: Sequence[bytes | None]) -> None:
        """Copy nothing yet."""
        self._keys = keys
        self._names = RaggedColumn(np.uint8)
        self._new: list[int] = []

    def note(self, codes: Iterable[int]) -> None:
        """Note that these codes have keys that they did not have."""
        self._new += codes

    def forget(self, codes: Ints) -> None:
        """Let go of the keys of these codes."""
        self._names.clear(codes[codes < self._names.rows])

    def write(
        self, loops: ModuleType, codes: NDArray[np.int64], into: NDArray[np.uint8], places: NDArray[np.int64]
    ) -> None:
        """Copy the keys of codes in use, each to its place.

        Args:
            loops: the compiled ones.
            codes: shape (n,).
            into: where to.
            places: shape (n,): where each is to begin; in the end, where it ends.
        """
        self._learn()
        self._names.write(loops, codes, into, places)

    def _learn(self) -> None:
        if not self._new:
            return
        found = {code: key for code in self._new if (key := self._keys[code]) is not None}
        self._new = []
        if len(self._keys) > self._names.rows:
            self._names.grow(2 * len(self._keys))
        codes, lengths = np.fromiter(found, np.intp, len(found)), np.array(list(map(len, found.values())), np.int64)
        self._names.replace(codes, np.frombuffer(b"".join(found.values()), np.uint8), lengths)
