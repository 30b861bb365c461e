"""What stands between the values of records is the same for many of them: it is compared, and only values are read.

An outline is what was between the values of a sound record, from brace to brace. All of them are one trie, whose nodes
are a gap and what becomes of the value behind it; gaps that differ are siblings. A record that consists of the gaps of
a path and of sound values in between is sound, and its names mean what they meant before (compare Li et al., Mison: a
fast JSON parser for data analytics, VLDB 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.fast.kinds import NULL
from streams.fast.values import BRACE, BRACKET, scalar, skip
from tables.fast import words
from tables.fast.loop import loop, part

NO_FIELD, END = -1, -2
"""What follows a gap, if it is no field's value: one that nobody uses, or nothing."""
MARKS = 128
"""Values of a record that has an outline, at most, and its end."""
_NODES, _WORDS = 512, 4096
_SIBLINGS = 16
"""Gaps that are tried at one place, at most: where names are values, there is no end of them."""
_BEGIN, _LENGTH, _FIELD, _SIBLING, _CHILD = range(5)
_USED_NODES, _USED_WORDS, _MISSED = range(3)
_PATIENCE = 4096
"""Rows without an outline after which all are forgotten, where there is no room for more."""


def empty() -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what `read` and `learn` work with, without outlines: nodes, gaps, what is used of them, and marks."""
    return (
        np.zeros((_NODES, 5), np.int64),
        np.zeros(_WORDS, np.uint64),
        np.array([1, 0, 0]),
        np.empty((MARKS, 3), np.int64),
    )


@part
def read(buffer, at, end, nodes, gaps, kinds, bits, row):
    """Fill in a row that has an outline; return whether it has, and is sound. Else part of it may be filled in."""
    node = nodes[0, _CHILD]
    while node:
        length, field = nodes[node, _LENGTH], nodes[node, _FIELD]
        after = at + length
        fits = after < end or (field == END and after == end)
        if not (fits and words.same(buffer, at, gaps, nodes[node, _BEGIN], length)):
            node = nodes[node, _SIBLING]
            continue
        if field == END:
            return after == end
        byte, used = buffer[np.uint64(after)], field != NO_FIELD
        if not used and (byte == BRACE or byte == BRACKET):
            at = skip(buffer, after, end)
            if at < 0:
                return False
        else:
            kind, value, at = scalar(buffer, after, end, used)
            if kind < NULL:
                return False
            if used:
                kinds[row, field], bits[row, field] = kind, value
        node = nodes[node, _CHILD]
    return False


@loop
def _step(buffer, at, length, field, node, nodes, gaps, used):
    """Return the child of a node that is this gap, made if there is room; 0 if there is none."""
    last, found, siblings = np.int64(0), nodes[node, _CHILD], 0
    while found:
        alike = nodes[found, _LENGTH] == length and nodes[found, _FIELD] == field
        if alike and words.same(buffer, at, gaps, nodes[found, _BEGIN], length):
            return found
        last, found, siblings = found, nodes[found, _SIBLING], siblings + 1
    made, begin = used[_USED_NODES], used[_USED_WORDS]
    if siblings >= _SIBLINGS or made >= len(nodes) or begin + (length >> 3) >= len(gaps):
        return np.int64(0)
    used[_USED_NODES], used[_USED_WORDS] = made + 1, words.keep(buffer, at, gaps, begin, length)
    nodes[made, _BEGIN], nodes[made, _LENGTH], nodes[made, _FIELD] = begin, length, field
    nodes[made, _SIBLING], nodes[made, _CHILD] = 0, 0
    if last:
        nodes[last, _SIBLING] = made
    else:
        nodes[node, _CHILD] = made
    return made


@loop
def learn(buffer, at, marks, count, nodes, gaps, used):
    """Remember the outline of a sound row.

    Args:
        buffer: uint8, holds it.
        at: where it begins.
        marks: shape (m, 3) int64: start, end and field of each value; the last one is its end.
        count: how many of them it has; it has no outline if they are more than m.
        nodes: of `empty`.
        gaps: of `empty`.
        used: of `empty`.
    """
    used[_MISSED] += 1
    node = np.int64(0)
    for value in range(count if count <= len(marks) else 0):
        node = _step(buffer, at, marks[value, 0] - at, marks[value, 2], node, nodes, gaps, used)
        if not node:
            break
        at = marks[value, 1]
    if not node and used[_MISSED] > _PATIENCE:
        nodes[0, _CHILD], used[_USED_NODES], used[_USED_WORDS], used[_MISSED] = 0, 1, 0, 0
