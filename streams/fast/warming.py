"""Compiles the loops, or takes them out of numba's cache, by running each once."""

from __future__ import annotations

import numpy as np

from streams.fast.frames import frames
from streams.fast.intern import SECRETS, intern, slots
from streams.fast.outlines import empty
from streams.fast.records import records
from streams.fast.scan import scan
from tables.fast import compiled as tables


def warm() -> None:
    """Run every loop once, with the types that it is called with."""
    buffer, numbers = np.frombuffer(b'{"a":1}', np.uint8), np.zeros(1, np.int64)
    frames(buffer, np.zeros((0, 5), np.int64), numbers, np.empty((6, 0), np.int64))
    records(buffer, numbers[:0], buffer, numbers[:0], np.empty(1, np.uint8), 0)
    kinds, bits, flagged = np.empty((1, 1), np.int8), np.empty((1, 1), np.int64), np.empty(1, bool)
    scan(buffer, numbers, numbers + len(buffer), buffer[2:3], np.zeros((1, 4), np.int64), empty(), kinds, bits, flagged)
    hashes, places = np.zeros(1, np.uint64), np.zeros((1, 2), np.int64)
    table, used, arena = slots(hashes[:0], 4), np.zeros(3, np.int64), np.empty(1, np.uint64)
    intern(buffer, kinds[:, 0], bits[:, 0], np.ones(SECRETS, np.uint64), table, hashes, places, arena, used, numbers)
    tables.warm()
