"""The records of record batches as arrays: where keys and values lie, offsets, timestamps.

The layout is that of Kafka's protocol guide, "Record": every number is a zigzag varint.
"""

from __future__ import annotations

import numpy as np

from tables.fast.loop import loop, part

_LONGEST = 63
"""Bits after which a varint is too long."""


@part
def _varint(buffer, at, end):
    """Return a zigzag varint and the position after it; -1 for the position if it is cut off, or `at` is."""
    value, shift = np.int64(0), 0
    while 0 <= at < end and shift <= _LONGEST:
        byte = np.int64(buffer[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1), at
        shift += 7
    return np.int64(0), -1


@part
def _field(buffer, at, end):
    """Return start, length (-1: null) and end of a field that begins with its length; -1 for the end if it is cut."""
    length, at = _varint(buffer, at, end)
    if at < 0 or length > end - at or length < -1:
        return 0, 0, -1
    return at, length, at + max(length, 0)


@loop
def frames(buffer, spans, stamped, found):
    """Read the records of several batches.

    Args:
        buffer: uint8, holds all of them.
        spans: shape (b, 5) int64: start, end, count, base offset, first timestamp of each batch.
        stamped: shape (b,) int64, the time of all records of a batch; -1 where each has its own.
        found: shape (6, n) int64, to be filled: value start and length, key start and length, offset, timestamp.

    Returns:
        How many batches, from the first on, are sound, and how many records they have.
    """
    n = 0
    for batch in range(len(spans)):
        at, end, count, base, first = spans[batch]
        row = n
        for _ in range(count):
            length, at = _varint(buffer, at, end)
            if at < 0 or length < 1 or length > end - at or row >= found.shape[1]:
                return batch, n
            after = at + length
            stamp, at = _varint(buffer, at + 1, after)  # behind the attributes, which mean nothing yet
            delta, at = _varint(buffer, at, after)
            found[2, row], found[3, row], at = _field(buffer, at, after)
            found[0, row], found[1, row], at = _field(buffer, at, after)
            if at < 0:
                return batch, n
            found[4, row] = base + delta
            found[5, row] = first + stamp if stamped[batch] < 0 else stamped[batch]
            row, at = row + 1, after
        if at != end:
            return batch, n
        n = row
    return len(spans), n
