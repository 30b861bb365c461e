"""Eight bytes at once: where in them the first is that matters (SIMD within a register).

A mask has the high bit of each byte that was looked for. Bits above the lowest one may be wrong, by a carry; the lowest
never is, and only that one is asked for (Warren, Hacker's Delight, 2nd edition, section 6-1).
"""

from __future__ import annotations

import numpy as np

from tables.fast.loop import part

WIDTH = 8
_ONE, _2, _3, _4, _5, _6, _7 = (np.uint64(count) for count in range(1, WIDTH))
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_PLACES = np.uint64(0x0001020304050607)
_LOW = np.array([(1 << 8 * count) - 1 for count in range(WIDTH)], np.uint64)


@part
def load(buffer, at):
    """Return the eight bytes from `at` on, the first one lowest; zeros stand for what is beyond the buffer."""
    at = np.uint64(at)
    if at + np.uint64(WIDTH) <= np.uint64(len(buffer)):
        # LLVM makes one load of this.
        return (
            np.uint64(buffer[at])
            | np.uint64(buffer[at + _ONE]) << np.uint64(8)
            | np.uint64(buffer[at + _2]) << np.uint64(16)
            | np.uint64(buffer[at + _3]) << np.uint64(24)
            | np.uint64(buffer[at + _4]) << np.uint64(32)
            | np.uint64(buffer[at + _5]) << np.uint64(40)
            | np.uint64(buffer[at + _6]) << np.uint64(48)
            | np.uint64(buffer[at + _7]) << np.uint64(56)
        )
    found, shift = np.uint64(0), np.uint64(0)
    while at < np.uint64(len(buffer)):
        found |= np.uint64(buffer[at]) << shift
        at, shift = at + _ONE, shift + np.uint64(8)
    return found


@part
def low(word, count):
    """Return the lowest bytes of a word, fewer than eight."""
    return word & _LOW[count]


@part
def first(mask):
    """Return which byte is the first one of a mask; 8 if there is none."""
    if mask == np.uint64(0):
        return np.int64(WIDTH)
    return np.int64((((mask & (~mask + _ONE)) >> _7) * _PLACES) >> np.uint64(56))


@part
def not_plain(word):
    """Return a mask of what does not stand for itself in a JSON text: quote, backslash, below a space, not ASCII."""
    quotes, backslashes = word ^ _QUOTES, word ^ _BACKSLASHES
    found = (word - _SPACES) & ~word
    found |= (quotes - _ONES) & ~quotes
    found |= (backslashes - _ONES) & ~backslashes
    return (found | word) & _HIGHS


@part
def same(buffer, at, words, begin, length):
    """Return whether `length` bytes of a buffer are those that lie in `words`, from the word `begin` on."""
    for step in range(length >> 3):
        if load(buffer, at + step * WIDTH) != words[np.uint64(begin + step)]:
            return False
    rest = length & (WIDTH - 1)
    return rest == 0 or low(load(buffer, at + length - rest) ^ words[np.uint64(begin + (length >> 3))], rest) == 0


@part
def keep(buffer, at, words, begin, length):
    """Put `length` bytes of a buffer into `words`, from the word `begin` on; return the word behind them."""
    for step in range((length + WIDTH - 1) >> 3):
        words[begin + step] = load(buffer, at + step * WIDTH)
    return begin + ((length + WIDTH - 1) >> 3)
