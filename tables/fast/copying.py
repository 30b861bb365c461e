"""Copying many short pieces of bytes to where each belongs."""

from __future__ import annotations

import numpy as np

from tables.fast.loop import loop, part


@part
def copy(source, start, into, at, size):
    """Copy `size` bytes, and return where they end."""
    first, place = np.uint64(start), np.uint64(at)  # what may be negative is looked at byte by byte
    for byte in range(np.uint64(size)):
        into[place + byte] = source[first + byte]
    return at + size


@loop
def spread(source, sizes, into, places):
    """Copy pieces that lie one behind the other, each to its place.

    Args:
        source: uint8, holds them.
        sizes: shape (n,) int64, bytes of each.
        into: uint8.
        places: shape (n,) int64: where each is to begin; in the end, where it ends.
    """
    start = 0
    for piece in range(len(sizes)):
        size = sizes[piece]
        places[piece] = copy(source, start, into, places[piece], size)
        start += size


@loop
def write_rows(pool, starts, lengths, width, rows, into, places):
    """Copy what rows have of a pool, each to its place.

    Args:
        pool: uint8, holds the entries of all rows.
        starts: int64, by row: the number of its first entry.
        lengths: int64, by row: how many it has.
        width: bytes of an entry.
        rows: shape (n,) intp.
        into: uint8.
        places: shape (n,) int64: where each is to begin; in the end, where it ends.
    """
    for at in range(len(rows)):
        row = rows[at]
        places[at] = copy(pool, starts[row] * width, into, places[at], lengths[row] * width)


@loop
def repeat(source, into, places):
    """Copy the same bytes to many places.

    Args:
        source: uint8.
        into: uint8.
        places: shape (n,) int64: where each copy is to begin; in the end, where it ends.
    """
    for at in range(len(places)):
        places[at] = copy(source, 0, into, places[at], len(source))
