"""Which windows of a number of rows a batch fills and begins: each row by its turn among those of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tables.aggregates.base import Rows

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filling:
    """What becomes of a batch: m windows that it touches, by key code and turn.

    Args:
        of_row: shape (n,), for each row the window that it counts in.
        code: shape (m,), key codes.
        count: shape (m,), how many rows of the batch count in each.
        first: shape (m,), the least event time of them, ms.
        last: shape (m,), the greatest.
        began: shape (m,), which row of the batch is the first of each.
        filled: shape (m,), which one is the last.
        goes_on: shape (m,), whether it was open before the batch.
        full: shape (m,), whether it is full after it.
    """

    of_row: Rows
    code: Ints
    count: Ints
    first: Ints
    last: Ints
    began: Rows
    filled: Rows
    goes_on: Mask
    full: Mask

    def __len__(self) -> int:
        """Return the number of windows that are touched."""
        return len(self.code)


def filling(codes: Ints, time: Ints, had: Ints, size: int) -> Filling:
    """Return which windows n > 0 rows count in.

    Args:
        codes: shape (n,), key codes.
        time: shape (n,), event times in ms.
        had: shape (n,), how many rows the open window of each row's key has before the batch; 0 if none is open.
        size: rows of a window.
    """
    order = np.argsort(codes, kind="stable")
    code, n = codes[order], len(codes)
    of_key = np.ones(n, bool)
    of_key[1:] = code[1:] != code[:-1]
    starts = np.flatnonzero(of_key)
    before = np.repeat(starts, np.diff(starts, append=n))
    turn = np.arange(n) - before + had[order]
    begins = of_key | (turn % size == 0)
    at = np.flatnonzero(begins)
    ends = np.append(at[1:], n) - 1
    of_row = np.empty(n, np.intp)
    of_row[order] = np.cumsum(begins) - 1
    times = time[order]
    return Filling(
        of_row,
        code[at],
        ends - at + 1,
        np.minimum.reduceat(times, at),
        np.maximum.reduceat(times, at),
        order[at],
        order[ends],
        turn[at] % size > 0,
        turn[ends] % size == size - 1,
    )
