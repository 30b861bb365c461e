"""The compiled loops. Imported where numba is installed and wanted alone: it takes its time to load."""

from __future__ import annotations

import numpy as np

from tables.fast.buckets import count_in
from tables.fast.copying import repeat, spread, write_rows
from tables.fast.extremes import fold_extremes
from tables.fast.packing import measure, pack_rows, unpack_rows
from tables.fast.seen import seen_codes
from tables.fast.sums import float_sums, fold_floats

__all__ = [
    "count_in",
    "float_sums",
    "fold_extremes",
    "fold_floats",
    "measure",
    "pack_rows",
    "repeat",
    "seen_codes",
    "spread",
    "unpack_rows",
    "warm",
    "write_rows",
]

_STATE = np.dtype([("n", "<u8"), ("real", "<f8"), ("error", "<f8"), ("is_real", "?"), ("pad", "V7")])
"""Columns of state lie side by side in records, as here."""


def warm() -> None:
    """Compile the loops, or take them out of numba's cache, by running each once with the types it is called with."""
    none, places = np.empty(0, np.int64), np.empty(0, np.intp)
    count_in(none, none, none, places, none, 0)
    numbers, state = np.empty(0, np.float64), np.zeros(2, _STATE)
    float_sums(places, numbers, 0)
    fold_floats(state["real"], state["error"], state["is_real"], places, places, numbers)
    fold_extremes(state["real"], places, places, numbers, True)  # noqa: FBT003 - numba takes no keywords
    block = np.zeros(1, np.uint8)
    spread(block, none, block, none)
    write_rows(block, none, none, 1, places, block, none)
    measure(none, none, none, places, 1, none)
    pack_rows(none, none, none, places, 1, none, block, none)
    unpack_rows(np.frombuffer(b"k", np.uint8), none, none, none, 1, none)
    repeat(np.frombuffer(b"k", np.uint8), block, none)
    key, known, slots = np.frombuffer(b"k", np.uint8), np.zeros((1, 1), np.uint64), np.zeros(2, np.int32)
    seen_codes(key, none, none, known, none, slots, none)
