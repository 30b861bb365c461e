"""Records as they lie in a record batch; the twin of aiokafka's builder.

The layout is that of Kafka's protocol guide, "Record": every number is a zigzag varint.
"""

from __future__ import annotations

import numpy as np

from tables.fast.copying import copy
from tables.fast.loop import loop, part

_SEVEN = np.uint64(7)
_LOW = np.uint64(0x7F)
_MORE = np.uint64(0x80)


@part
def _length(number):
    """Return how many bytes the zigzag varint of a number takes."""
    rest, found = np.uint64((number << 1) ^ (number >> 63)) >> _SEVEN, 1
    while rest:
        rest >>= _SEVEN
        found += 1
    return found


@part
def _put(into, at, number):
    """Write the zigzag varint of a number and return where it ends."""
    rest = np.uint64((number << 1) ^ (number >> 63))
    while rest >= _MORE:
        into[at] = np.uint8(rest & _LOW | _MORE)
        rest >>= _SEVEN
        at += 1
    into[at] = np.uint8(rest)
    return at + 1


@loop
def records(keys, key_sizes, values, value_sizes, into, at):
    """Write records that have all the batch's timestamp, and no headers.

    Args:
        keys: uint8, the keys one behind the other.
        key_sizes: shape (n,) int64.
        values: uint8, the values one behind the other.
        value_sizes: shape (n,) int64; -1 is null.
        into: uint8, the batch.
        at: where in it the first one begins.

    Returns:
        Where the last one ends.
    """
    key, value = 0, 0
    for row in range(len(key_sizes)):
        wide, high = key_sizes[row], value_sizes[row]
        held = max(high, 0)
        at = _put(into, at, 3 + _length(row) + _length(wide) + wide + _length(high) + held)
        into[at] = into[at + 1] = 0  # attributes, and how much later than the batch's timestamp
        at = _put(into, _put(into, at + 2, row), wide)
        at = _put(into, copy(keys, key, into, at, wide), high)
        at = copy(values, value, into, at, held)
        into[at] = 0  # headers
        key, value, at = key + wide, value + held, at + 1
    return at
