"""Counting values in the buckets of sketches, in place; the twin of `tables.aggregates.sketch.add_counts`."""

from __future__ import annotations

from tables.aggregates.sketch import COUNT_BITS, ORDINAL, ORDINAL_BITS
from tables.fast.loop import loop, part


@part
def _find(pool, low, stop, ordinal):
    """Return the first place in `[low, stop)` whose bucket is not before this one."""
    while low < stop:
        middle = (low + stop) >> 1
        if pool[middle] >> COUNT_BITS < ordinal:
            low = middle + 1
        else:
            stop = middle
    return low


@part
def _count_known(pool, start, stop, keys, at, end):
    """Count the keys `[at, end)` of one row that have buckets, and return how many buckets are missing."""
    missing = 0
    for key in range(at, end):
        ordinal = keys[key] & ORDINAL
        start = _find(pool, start, stop, ordinal)
        if start < stop and pool[start] >> COUNT_BITS == ordinal:
            pool[start] += 1
        elif key == at or keys[key] != keys[key - 1]:
            missing += 1
    return missing


@part
def _insert(pool, start, stop, keys, at, end, into):
    """Write the entries of a row at `into`, with those that are missing between them, and return where they end."""
    while at < end:
        ordinal, count = keys[at] & ORDINAL, 0
        while at < end and keys[at] & ORDINAL == ordinal:
            count += 1
            at += 1
        while start < stop and pool[start] >> COUNT_BITS < ordinal:
            pool[into] = pool[start]
            start += 1
            into += 1
        if start == stop or pool[start] >> COUNT_BITS != ordinal:
            pool[into] = ordinal << COUNT_BITS | count
            into += 1
    while start < stop:
        pool[into] = pool[start]
        start += 1
        into += 1
    return into


@loop
def count_in(pool, starts, lengths, rows, keys, used):
    """Count each key in its bucket: in place where the row has it, else the row's entries go to the end of the pool.

    Args:
        pool: int64, entries; there is room behind `used` for all entries of the rows and one for each key.
        starts: int64, by row: where its entries begin.
        lengths: int64, by row: how many they are.
        rows: shape (m,) intp.
        keys: shape (n,) int64, sorted: position in `rows` above the ordinal of the bucket.
        used: where the free part of the pool begins.

    Returns:
        Where the free part begins now, how many buckets came, and how many the largest row has that got some.
    """
    at, came, largest = 0, 0, 0
    while at < len(keys):
        position = keys[at] >> ORDINAL_BITS
        end = at + 1
        while end < len(keys) and keys[end] >> ORDINAL_BITS == position:
            end += 1
        row = rows[position]
        start, length = starts[row], lengths[row]
        missing = _count_known(pool, start, start + length, keys, at, end)
        if missing:
            into = _insert(pool, start, start + length, keys, at, end, used)
            starts[row], lengths[row] = used, length + missing
            came, largest, used = came + missing, max(largest, length + missing), into
        at = end
    return used, came, largest
