"""Texts to small integers: a hash table over the bytes of texts, with open addressing and linear probing.

Its hash is FNV-1a (Fowler, Noll, Vo), begun with a number of this process: nobody can choose texts that collide.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from streams.fast.kinds import LENGTH_BITS, TEXT

_PRIME = np.uint64(0x100000001B3)
_FREE = -1


@njit(cache=True, nogil=True)
def _hash(buffer, start, length, seed):
    found = np.uint64(seed)
    for at in range(start, start + length):
        found = (found ^ np.uint64(buffer[at])) * _PRIME
    return found ^ (found >> np.uint64(29))


@njit(cache=True, nogil=True)
def intern(buffer, kinds, bits, seed, slots, hashes, places, arena, used, codes):
    """Give codes to the texts of rows, from row `used[2]` on.

    Args:
        buffer: uint8, holds all texts.
        kinds: shape (n,) int8, of `streams.fast.scan`: rows without text are passed over.
        bits: shape (n,) int64, where each text lies.
        seed: uint64, to begin the hash with.
        slots: int32, a power of two of them: the code of a text, or -1; at most half are used.
        hashes: uint64, by code.
        places: shape (m, 2) int64, by code: start and length in `arena`.
        arena: uint8, the texts that have a code.
        used: int64: codes given, bytes of the arena, rows done.
        codes: shape (n,) int64, to be filled.

    Returns:
        Whether all rows are done; if not, the table must grow.
    """
    mask = np.uint64(len(slots) - 1)
    for row in range(used[2], len(kinds)):
        used[2] = row
        codes[row] = 0
        if kinds[row] != TEXT:
            continue
        start, length = bits[row] >> LENGTH_BITS, bits[row] & ((1 << LENGTH_BITS) - 1)
        found = _hash(buffer, start, length, seed)
        slot = found & mask
        while True:
            code = slots[slot]
            if code == _FREE:
                break
            if hashes[code] == found and places[code, 1] == length:
                place, same = places[code, 0], True
                for at in range(length):
                    if arena[place + at] != buffer[start + at]:
                        same = False
                        break
                if same:
                    break
            slot = (slot + np.uint64(1)) & mask
        if code == _FREE:
            code = used[0]
            if code >= len(hashes) or used[1] + length > len(arena):
                return False
            slots[slot], hashes[code], places[code, 0], places[code, 1] = code, found, used[1], length
            arena[used[1] : used[1] + length] = buffer[start : start + length]
            used[0], used[1] = code + 1, used[1] + length
        codes[row] = code
    used[2] = len(kinds)
    return True


@njit(cache=True, nogil=True)
def slots(hashes, size):
    """Return a table of `size` slots, a power of two, that holds the codes of these hashes."""
    made, mask = np.full(size, _FREE, np.int32), np.uint64(size - 1)
    for code in range(len(hashes)):
        slot = hashes[code] & mask
        while made[slot] != _FREE:
            slot = (slot + np.uint64(1)) & mask
        made[slot] = code
    return made
