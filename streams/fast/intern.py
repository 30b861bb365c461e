"""Texts to small integers: a hash table over the bytes of texts, with open addressing and linear probing.

The hash is universal, so that nobody can choose texts that collide: a sum of products of 32-bit pieces with secret
numbers, whose upper half counts (Lemire and Kaser, Strongly universal string hashing is fast, 2014: multilinear-HM).
Behind the first 512 bytes it is begun anew with what it was, multiplied by a secret number.
"""

from __future__ import annotations

import numpy as np

from streams.fast.kinds import LENGTH_BITS, TEXT
from tables.fast import words
from tables.fast.loop import allocating, loop, part

SECRETS = 2 * 64 + 2
"""Secret numbers of a hash: two for each eight bytes, one that is odd, and one for the length."""
_FREE = -1
_HALF = np.uint64(32)
_LOWER = np.uint64(0xFFFFFFFF)


@part
def _hash(buffer, start, length, secrets):
    found, last, at = np.uint64(length) * secrets[SECRETS - 1], np.uint64(SECRETS - 2), np.uint64(0)
    for step in range(0, length, words.WIDTH):
        word = words.load(buffer, start + step)
        if length - step < words.WIDTH:
            word = words.low(word, length - step)
        if at == last:
            found, at = (found ^ (found >> _HALF)) * secrets[last], np.uint64(0)
        found += (secrets[at] + (word & _LOWER)) * (secrets[at + np.uint64(1)] + (word >> _HALF))
        at += np.uint64(2)
    return found >> _HALF


@loop
def intern(buffer, kinds, bits, secrets, slots, hashes, places, arena, used, codes):
    """Give codes to the texts of rows, from row `used[2]` on.

    Args:
        buffer: uint8, holds all texts.
        kinds: shape (n,) int8, of `streams.fast.scan`: rows without text are passed over.
        bits: shape (n,) int64, where each text lies.
        secrets: shape (SECRETS,) uint64, of the hash; the last but one is odd.
        slots: int32, a power of two of them: the code of a text, or -1; at most half are used.
        hashes: uint64, by code.
        places: shape (m, 2) int64, by code: the first word in `arena`, and the length.
        arena: uint64, the texts that have a code, each from a word of its own on.
        used: int64: codes given, words of the arena, rows done.
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
        found = _hash(buffer, start, length, secrets)
        slot = found & mask
        code = slots[slot]
        while code != _FREE:
            alike = hashes[code] == found and places[code, 1] == length
            if alike and words.same(buffer, start, arena, places[code, 0], length):
                break
            slot = (slot + np.uint64(1)) & mask
            code = slots[slot]
        if code == _FREE:
            code = used[0]
            if code >= len(hashes) or used[1] + (length >> 3) >= len(arena):
                return False
            slots[slot], hashes[code], places[code, 0], places[code, 1] = code, found, used[1], length
            used[0], used[1] = code + 1, words.keep(buffer, start, arena, used[1], length)
        codes[row] = code
    used[2] = len(kinds)
    return True


@allocating
def slots(hashes, size):
    """Return a table of `size` slots, a power of two, that holds the codes of these hashes."""
    made, mask = np.full(size, _FREE, np.int32), np.uint64(size - 1)
    for code in range(len(hashes)):
        slot = hashes[code] & mask
        while made[slot] != _FREE:
            slot = (slot + np.uint64(1)) & mask
        made[slot] = code
    return made
