"""The partition of each table key: murmur2, as Java's producer places record keys, over many keys at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tables.columns import Column
from tables.keys import Codes, KeyCodes

FORGET = 1 << 20
"""Keys after which a new dictionary is begun."""
_M = np.uint32(0x5BD1E995)
_SEED = 0x9747B28C
_SHIFT = np.uint32(24)
_THIRTEEN, _FIFTEEN = np.uint32(13), np.uint32(15)
Words = NDArray[np.uint32]


class Places:
    """Codes and destinations of table keys.

    Args:
        partitions: of the destination.
        forget: keys after which a new dictionary is begun, so that it does not grow for ever.
    """

    def __init__(self, partitions: int, forget: int = FORGET) -> None:
        self._partitions, self._forget = partitions, forget
        self._begin()

    def _begin(self) -> None:
        self.keys = KeyCodes(1 << 62)
        self._places = np.empty(0, np.uint16)

    def encode(self, columns: Sequence[Column]) -> Codes:
        """Return the key code of each row, `BAD` where it has none; codes hold until the next call."""
        if len(self.keys) >= self._forget:
            self._begin()
        codes = self.keys.encode(columns)
        known = len(self._places)
        if self.keys.size > known:
            new = self.keys.keys(np.arange(known, self.keys.size))
            self._places = np.concatenate((self._places, places(new, self._partitions)))
        return codes

    def of(self, codes: Codes) -> NDArray[np.uint16]:
        """Return the partition of each code."""
        return self._places[codes]


def places(keys: Sequence[bytes], partitions: int) -> NDArray[np.uint16]:
    """Return the partition of each key."""
    return ((murmur2(keys) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.uint16)


def murmur2(keys: Sequence[bytes]) -> Words:
    """Return the 32-bit hashes of keys, those of one length together.

    Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2`.
    """
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    hashes = np.empty(len(keys), np.uint32)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        data = b"".join([keys[row] for row in rows.tolist()])
        hashes[rows] = _hash(np.frombuffer(data, np.uint8).reshape(len(rows), length), length)
    return hashes


def _hash(data: NDArray[np.uint8], length: int) -> Words:
    """Return the hashes of keys of one length, shape (n, length)."""
    whole = length // 4 * 4
    digest = np.full(len(data), _SEED ^ length, np.uint32)
    words = np.ascontiguousarray(data[:, :whole]).view("<u4").astype(np.uint32)
    for at in range(whole // 4):
        word = words[:, at] * _M
        digest = digest * _M ^ ((word ^ word >> _SHIFT) * _M)
    for at in range(whole, length):
        digest ^= data[:, at].astype(np.uint32) << np.uint32(8 * (at - whole))
    if whole < length:
        digest *= _M
    digest = (digest ^ digest >> _THIRTEEN) * _M
    return digest ^ digest >> _FIFTEEN
