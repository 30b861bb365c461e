"""Many keys at once, as they lie in a block of bytes, to their codes: a cache in front of the dictionary of keys.

A key is read as whole words, hashed and held against the key that was seen last in its slot, by whole arrays: about a
quarter of what the dictionary costs, and without the interpreter's lock. Only those that are not found there ask the
dictionary. A changelog has a key as often as it has open windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables import fast
from tables.chunk import pieces, view_at

if TYPE_CHECKING:
    from tables.chunk import Ints, Spans
    from tables.keys import Codes, KeyCodes

    Words = NDArray[np.uint64]

WORD = 8
MOST_WORDS = 8
"""Longer keys ask the dictionary."""
MOST_KEYS = 1 << 18
"""Codes from here on ask the dictionary: what the cache takes is bounded, at some 20 MiB."""
FEW = 256
"""Keys for which whole arrays are not worth while."""
_SPARE = 8
"""Slots a key: few keys then share one."""
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(WORD + 1)], np.uint64)
"""Which bits of a word count, by its number of bytes that belong to the key."""
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""


class SeenKeys:
    """Remembers codes of keys; a code must not be given to another key meanwhile.

    Args:
        keys: the dictionary.
    """

    def __init__(self, keys: KeyCodes) -> None:
        """Remember nothing."""
        self._keys = keys
        self._words: Words = np.zeros((1, 0), np.uint64)
        self._sizes: NDArray[np.int64] = np.empty(0, np.int64)
        self._slots: NDArray[np.int32] = np.zeros(0, np.int32)

    def codes(self, blob: bytes, spans: Spans) -> Codes:
        """Return the code of each key; those that are new get one.

        Args:
            blob: holds the keys.
            spans: of them; none is null.
        """
        count = -(-int(spans.size.max()) // WORD) or 1 if len(spans) >= FEW else 0
        read = max(count, len(self._words)) * WORD
        if not 0 < count <= MOST_WORDS or int(spans.start.max()) + read > len(blob):
            return self._ask(blob, spans)
        self._widen(count)
        codes = self._found(blob, spans)
        other = np.flatnonzero(codes < 0)
        if len(other):
            new = spans.take(other)
            codes[other] = self._ask(blob, new)
            self._remember(codes[other], _read(blob, new, len(self._words)), new.size)
        return codes

    def _found(self, blob: bytes, spans: Spans) -> Codes:
        """Return the code of each key, -1 where it is not what was seen last in its slot."""
        if (loops := fast.kernels()) is not None:
            found = np.empty(len(spans), np.int64)
            keys = np.frombuffer(blob, np.uint8), spans.start, spans.size
            loops.seen_codes(*keys, self._words, self._sizes, self._slots, found)
            return found
        words = _read(blob, spans, len(self._words))
        codes: Codes = self._slots[self._slot(words, spans.size)].astype(np.int64)
        same = self._sizes[codes] == spans.size
        for mine, theirs in zip(self._words, words, strict=True):
            same &= mine[codes] == theirs
        codes[~same] = -1
        return codes

    def _ask(self, blob: bytes, spans: Spans) -> Codes:
        return self._keys.learn([key or b"" for key in pieces(blob, spans)])

    def _widen(self, count: int) -> None:
        """Have room for keys of so many words, and for as many keys as there are; at first for one that is none."""
        if count > len(self._words):
            more = np.zeros((count - len(self._words), self._words.shape[1]), np.uint64)
            self._words, self._slots = np.concatenate((self._words, more)), self._slots[:0]
        if not len(self._slots):
            self._room(min(MOST_KEYS, max(1024, self._keys.size)))

    def _room(self, keys: int) -> None:
        """Have room for codes below a number, and put those that are known to their slots."""
        known = len(self._sizes)
        if keys > known:
            self._sizes = np.concatenate((self._sizes, np.full(keys - known, -1, np.int64)))
            self._words = np.concatenate((self._words, np.zeros((len(self._words), keys - known), np.uint64)), axis=1)
        self._slots = np.zeros(1 << (_SPARE * keys - 1).bit_length(), np.int32)
        codes = np.flatnonzero(self._sizes >= 0)
        self._slots[self._slot(self._words[:, codes], self._sizes[codes])] = codes

    def _remember(self, codes: Codes, words: Words, sizes: Ints) -> None:
        """Take in keys that the dictionary was asked for."""
        highest = int(codes.max())
        if highest >= len(self._sizes) and len(self._sizes) < MOST_KEYS:
            self._room(min(MOST_KEYS, max(2 * len(self._sizes), highest + 1)))
        if highest >= len(self._sizes):
            kept = np.flatnonzero(codes < len(self._sizes))
            codes, words, sizes = codes[kept], words[:, kept], sizes[kept]
        self._sizes[codes] = sizes
        self._words[:, codes] = words
        self._slots[self._slot(words, sizes)] = codes

    def _slot(self, words: Words, sizes: Ints) -> NDArray[np.intp]:
        """Return the slot of each key, by multiplicative hashing."""
        mixed = sizes.astype(np.uint64)
        for word in words:
            mixed ^= word
            mixed ^= mixed >> np.uint64(32)
            mixed *= MIX
        mixed >>= np.uint64(65 - len(self._slots).bit_length())
        return mixed.view(np.int64)


def _read(blob: bytes, spans: Spans, count: int) -> Words:
    """Return the words of keys, shape (count, n), zeros behind their ends."""
    found: Any = view_at(blob, f"V{count * WORD}")[spans.start]
    words = np.ascontiguousarray(found.view("<u8").reshape(len(spans), count).T)
    low, high = int(spans.size.min()), int(spans.size.max())
    for number, word in enumerate(words):
        if low < (number + 1) * WORD:
            left = spans.size - number * WORD if low < high else np.int64(low - number * WORD)
            np.bitwise_and(word, _MASKS[np.clip(left, 0, WORD)], out=word)
    return words
