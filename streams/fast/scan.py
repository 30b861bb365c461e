"""JSON objects to arrays: the used fields of many records, without an object a record.

A row of which it is not sure is flagged and left to msgspec: escapes in names or used texts, numbers that need more
than one rounding, names that stand twice, a type that is not a scalar, and all that is no JSON. A row that is not
flagged means exactly what msgspec makes of it (RFC 8259).
"""

from __future__ import annotations

import numpy as np

from streams.fast import outlines
from streams.fast.kinds import NULL
from streams.fast.values import (
    BRACE,
    COLON,
    COMMA,
    END_BRACE,
    MAX_DEPTH,
    QUOTE,
    USED,
    called_scalar,
    called_text,
    skip,
    space,
)
from tables.fast.loop import loop, part


@loop
def _entry(buffer, start, length, node, names, entries, guess):
    """Return the entry of a name within a node, trying one first; -1 if it is not used."""
    for turn in range(-1, len(entries)):
        at = guess if turn < 0 else turn
        if at >= len(entries) or entries[at, 0] != node or entries[at, 2] != length:
            continue
        same = True
        for place in range(length):
            if buffer[np.uint64(start + place)] != names[entries[at, 1] + place]:
                same = False
                break
        if same:
            return at
    return -1


@part
def _parent(entries, node):
    """Return the node that a node is in."""
    for entry in range(len(entries)):
        if entries[entry, 3] == -node:
            return entries[entry, 0]
    return np.int64(0)


@part
def _marked(marks, count, start, end, field):
    """Note where a value is, if there is room; return how many there are now."""
    if count < len(marks):
        marks[count, 0], marks[count, 1], marks[count, 2] = start, end, field
    return count + 1


@loop
def _row(buffer, at, end, names, entries, kinds, bits, row, marks):
    """Fill in one row, and `marks` with its values and its end; return how many those are, or -1 if it is not sound."""
    count, depth, node, guess, seen, first = 0, 0, np.int64(0), 0, np.uint64(0), True
    at = space(buffer, at, end)
    if at >= end or buffer[np.uint64(at)] != BRACE:
        return -1
    at += 1
    while True:
        at = space(buffer, at, end)
        if at >= end:
            return -1
        if not (first and buffer[np.uint64(at)] == END_BRACE):
            if buffer[np.uint64(at)] != QUOTE:
                return -1
            stop = called_text(buffer, at + 1, end, USED)
            if stop < 0:
                return -1
            entry = _entry(buffer, at + 1, stop - at - 1, node, names, entries, guess)
            at = space(buffer, stop + 1, end)
            if at >= end or buffer[np.uint64(at)] != COLON:
                return -1
            at = space(buffer, at + 1, end)
            if at >= end:
                return -1
            if entry < 0:
                begin = at
                at = skip(buffer, at, end)
                if at < 0:
                    return -1
                count = _marked(marks, count, begin, at, outlines.NO_FIELD)
            else:
                bit = np.uint64(1) << np.uint64(entry)
                if seen & bit:
                    return -1
                seen |= bit
                guess, leaf = entry + 1, entries[entry, 3]
                if leaf < 0 and buffer[np.uint64(at)] == BRACE:
                    if depth + 1 >= MAX_DEPTH:
                        return -1
                    depth, node, first, at = depth + 1, -leaf, True, at + 1
                    continue
                begin = at
                kind, value, at = called_scalar(buffer, at, end, USED)
                if kind < 0 or (leaf < 0 and kind != NULL):
                    return -1
                if leaf >= 0:
                    kinds[row, leaf], bits[row, leaf] = kind, value
                    count = _marked(marks, count, begin, at, leaf)
        at = space(buffer, at, end)
        while at < end and buffer[np.uint64(at)] == END_BRACE:
            at = space(buffer, at + 1, end)
            if depth == 0:
                return _marked(marks, count, at, at, outlines.END) if at == end else -1
            depth -= 1
            node = _parent(entries, node)
        if at >= end or buffer[np.uint64(at)] != COMMA:
            return -1
        at, first = at + 1, False


@loop
def scan(buffer, start, length, names, entries, known, kinds, bits, flagged):
    """Read the used fields of n JSON objects.

    Args:
        buffer: uint8, holds all of them.
        start: shape (n,) int64.
        length: shape (n,) int64; below 0 is no value.
        names: uint8, the names of used fields and of the objects that they are in.
        entries: shape (e, 4) int64: the node that an entry is in (0 is the root), start and length of its name, and
            the number of its field, or the node that it is, negated. A node's number is 1 or more.
        known: of `outlines.empty`, what was learnt from the rows before.
        kinds: shape (n, f) int8, to be filled.
        bits: shape (n, f) int64, to be filled: an integer, the bits of a float, or start and length of a text.
        flagged: shape (n,) bool, to be filled: the rows of which nothing is known.
    """
    nodes, gaps, used, marks = known
    kinds[:] = NULL
    for row in range(len(start)):
        at, end = start[row], start[row] + length[row]
        flagged[row] = length[row] <= 0
        if flagged[row] or outlines.read(buffer, at, end, nodes, gaps, kinds, bits, row):
            continue
        kinds[row] = NULL
        count = _row(buffer, at, end, names, entries, kinds, bits, row, marks)
        if count < 0:
            flagged[row] = True
        else:
            outlines.learn(buffer, at, marks, count, nodes, gaps, used)
