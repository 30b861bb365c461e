"""Finding keys that were seen before; the twin of what `tables.seenkeys.SeenKeys` does without it."""

from __future__ import annotations

import numpy as np

from tables.fast import words
from tables.fast.loop import loop, part
from tables.seenkeys import MIX

_HALF = np.uint64(32)


@part
def _word(buffer, start, size, number):
    """Return one word of a key, zeros behind its end."""
    left = size - number * words.WIDTH
    if left <= 0:
        return np.uint64(0)
    word = words.load(buffer, start + number * words.WIDTH)
    return word if left >= words.WIDTH else words.low(word, left)


@loop
def seen_codes(buffer, start, size, known, sizes, slots, codes):
    """Find the codes of keys.

    Args:
        buffer: uint8, holds them.
        start: shape (n,) int64, where each begins.
        size: shape (n,) int64, bytes of each: at most those of the words in `known`.
        known: shape (w, m) uint64, the words of keys by code.
        sizes: shape (m,) int64, their bytes by code; -1 where there is none.
        slots: int32, 2 or another power of two of them: a code each.
        codes: shape (n,) int64, to be filled: -1 where a key was not seen.
    """
    shift = np.uint64(64)
    while np.uint64(1) << (np.uint64(64) - shift) < np.uint64(len(slots)):
        shift -= np.uint64(1)
    for row in range(len(start)):
        mixed = np.uint64(size[row])
        for number in range(len(known)):
            mixed ^= _word(buffer, start[row], size[row], number)
            mixed = (mixed ^ (mixed >> _HALF)) * MIX
        code = np.int64(slots[mixed >> shift])
        same = sizes[code] == size[row]
        for number in range(len(known)):
            same &= known[number, code] == _word(buffer, start[row], size[row], number)
        codes[row] = code if same else -1
