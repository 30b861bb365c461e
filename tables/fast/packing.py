"""Writing and reading entries in as few bytes as they take; the twin of `tables.packing`."""

from __future__ import annotations

from tables.fast.loop import loop, part
from tables.packing import BASE_BYTES


@loop
def measure(pool, starts, lengths, rows, split, codes):
    """Find out how rows are written.

    Args:
        pool: int64, entries of all rows.
        starts: int64, by row: where its entries begin.
        lengths: int64, by row: how many it has.
        rows: shape (m,) intp.
        split: the bits of the lower number.
        codes: shape (m,) int64: takes what was found.
    """
    mask = (1 << split) - 1
    for at in range(len(rows)):
        row = rows[at]
        start, stop = starts[row], starts[row] + lengths[row]
        codes[at] = 0
        if start == stop:
            continue
        first = pool[start] >> split
        most = (pool[stop - 1] >> split) - first
        for entry in range(start, stop):
            most = max(most, pool[entry] & mask)
        if first < 1 << 8 * BASE_BYTES:
            if most < 1 << 8:
                codes[at] = 1
            elif most < 1 << 16:
                codes[at] = 2


@part
def _put(into, at, value, size):
    """Write a number of `size` bytes, and return where it ends."""
    for byte in range(size):
        into[at + byte] = value >> 8 * byte & 255
    return at + size


@part
def _get(source, at, size):
    """Return a number of `size` bytes."""
    value = 0
    for byte in range(size):
        value |= int(source[at + byte]) << 8 * byte
    return value


@loop
def pack_rows(pool, starts, lengths, rows, split, codes, into, places):
    """Write rows, each at its place.

    Args:
        pool: as `measure`.
        starts: as `measure`.
        lengths: as `measure`.
        rows: as `measure`.
        split: as `measure`.
        codes: shape (m,) int64, as `measure` found them.
        into: uint8.
        places: shape (m,) int64: where each is to begin; in the end, where it ends.
    """
    mask = (1 << split) - 1
    for at in range(len(rows)):
        row, place = rows[at], places[at]
        start, stop = starts[row], starts[row] + lengths[row]
        if codes[at] == 0:
            for entry in range(start, stop):
                place = _put(into, place, pool[entry], 8)
        else:
            least = pool[start] >> split
            place = _put(into, place, least, BASE_BYTES)
            if codes[at] == 1:  # nearly all are; without a loop over bytes it takes half the time
                for entry in range(start, stop):
                    into[place] = (pool[entry] >> split) - least
                    into[place + 1] = pool[entry] & mask
                    place += 2
            else:
                for entry in range(start, stop):
                    place = _put(into, place, (pool[entry] >> split) - least, 2)
                    place = _put(into, place, pool[entry] & mask, 2)
        places[at] = place


@loop
def unpack_rows(source, starts, lengths, codes, split, entries):
    """Read rows, one behind the other.

    Args:
        source: uint8, holds them.
        starts: shape (m,) int64: where each begins.
        lengths: shape (m,) int64: entries of each.
        codes: shape (m,) int64: how each is written.
        split: the bits of the lower number.
        entries: int64: takes them.
    """
    into = 0
    for row in range(len(starts)):
        at, stop = starts[row], into + lengths[row]
        if codes[row] == 0:
            while into < stop:
                entries[into] = _get(source, at, 8)
                at += 8
                into += 1
            continue
        least = _get(source, at, BASE_BYTES)
        at += BASE_BYTES
        half = codes[row]
        while into < stop:
            above = _get(source, at, half)
            entries[into] = (least + above) << split | _get(source, at + half, half)
            at += 2 * half
            into += 1
