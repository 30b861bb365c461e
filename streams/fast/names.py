"""The texts of one field and their codes, which stay the same from batch to batch until there are too many."""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streams.fast.kinds import LENGTH_BITS, TEXT

if TYPE_CHECKING:
    from types import ModuleType

MAX_CODES = 1 << 18
"""Texts that are remembered; then all are forgotten, between two batches."""
_LEAST = 1 << 10
_WORD = 8
_WORDS_EACH = 2


class Names:
    """A dictionary of texts.

    Args:
        kernels: the compiled loops.
    """

    def __init__(self, kernels: ModuleType) -> None:
        """Begin empty."""
        self._kernels = kernels
        self._clear()

    def _clear(self) -> None:
        self._slots = np.full(2 * _LEAST, -1, np.int32)
        self._hashes = np.empty(_LEAST, np.uint64)
        self._places = np.empty((_LEAST, 2), np.int64)
        self._arena = np.empty(_WORDS_EACH * _LEAST, np.uint64)
        self._used = np.zeros(3, np.int64)
        self._texts: NDArray[Any] = np.empty(_LEAST, object)[:0]

    def codes(
        self, buffer: NDArray[np.uint8], kinds: NDArray[np.int8], bits: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the code of each row's text (0 where it has none), shape (n,), and the texts by code.

        Args:
            buffer: holds the texts.
            kinds: shape (n,), of `streams.fast.scan`.
            bits: shape (n,), where they lie.
        """
        if self._used[0] > MAX_CODES:
            self._clear()
        found, self._used[2] = np.empty(len(kinds), np.int64), 0
        while not self._kernels.intern(
            buffer,
            kinds,
            bits,
            _secret(self._kernels.SECRETS),
            self._slots,
            self._hashes,
            self._places,
            self._arena,
            self._used,
            found,
        ):
            self._grow(int((bits & ((1 << LENGTH_BITS) - 1))[kinds == TEXT].max()))
        self._learn()
        return found, self._texts

    def _grow(self, longest: int) -> None:
        """Make room for twice as many texts, and for one of this length."""
        count, size = int(self._used[0]), int(self._used[1])
        codes, room = 2 * len(self._hashes), 2 * len(self._arena) + longest // _WORD + 1
        hashes, places, arena = np.empty(codes, np.uint64), np.empty((codes, 2), np.int64), np.empty(room, np.uint64)
        hashes[:count], places[:count], arena[:size] = self._hashes[:count], self._places[:count], self._arena[:size]
        self._hashes, self._places, self._arena = hashes, places, arena
        self._slots = self._kernels.slots(hashes[:count], 2 * codes)

    def _learn(self) -> None:
        """Make texts of the new codes."""
        known, count = len(self._texts), int(self._used[0])
        if known == count:
            return
        arena = self._arena[: self._used[1]].tobytes()
        places = self._places[known:count] * (_WORD, 1)
        new = [arena[start : start + length].decode() for start, length in places.tolist()]
        room: Any = self._texts.base
        if count > len(room):
            room = np.empty(2 * count, object)
            room[:known] = self._texts
        room[known:count] = new
        self._texts = room[:count]


@cache
def _secret(count: int) -> NDArray[np.uint64]:
    """Return the numbers of this process that the hash takes, the last but one odd."""
    found = np.frombuffer(secrets.token_bytes(count * _WORD), np.uint64).copy()
    found[-2] |= np.uint64(1)
    return found
