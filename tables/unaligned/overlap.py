"""Which sliding windows the cells of a table make, and merging the cells of each.

A cell holds the rows of one key and one time that count from the same window on. A row at t makes the window that ends
with it, if that was open when it came, and the one that begins 1 ms after it, if a row counts in that. Nothing else
makes one, so that the times of the cells say which windows there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.unaligned.pairs import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Aggregate, Rows
    from tables.state import State

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placed:
    """Cells, sorted by key code, time and `counts`.

    Args:
        rows: shape (n,), their state rows.
        code: shape (n,), key codes.
        time: shape (n,), event time of their rows, ms.
        counts: shape (n,), the least end of a window that they count in; `time + 1` where they count in all.
    """

    rows: Rows
    code: Ints
    time: Ints
    counts: Ints

    @classmethod
    def of(cls, rows: Rows, code: Ints, time: Ints, counts: Ints) -> Placed:
        """Sort cells."""
        return cls(rows, code, time, counts).take(np.lexsort((counts, pairs((code, time))[0])))

    def take(self, at: Rows) -> Placed:
        """Return some of them."""
        return Placed(self.rows[at], self.code[at], self.time[at], self.counts[at])

    def whole(self) -> NDArray[np.bool_]:
        """Return a mask, True where cells count in all windows that hold their time."""
        whole: NDArray[np.bool_] = self.counts == self.time + 1
        return whole

    def between(self, code: Ints, first: Ints, last: Ints) -> tuple[Rows, Rows]:
        """Return the half-open ranges of the cells of m keys with times from `first` to `last`, both included."""
        cells, low, high = pairs((self.code, self.time), (code, first), (code, last))
        return np.searchsorted(cells, low, "left"), np.searchsorted(cells, high, "right")


@dataclass(frozen=True, slots=True)
class Windows:
    """Sliding windows of keys.

    Args:
        code: shape (m,), key codes.
        end: shape (m,), the ms after each.
    """

    code: Ints
    end: Ints

    def take(self, at: NDArray[np.bool_] | Rows) -> Windows:
        """Return some of them."""
        return Windows(self.code[at], self.end[at])


def windows_of(cells: Placed, size: int, from_: int, to: int) -> Windows:
    """Return the distinct windows that all cells of some keys make with ends in `[from_, to)`, by key code and end.

    Args:
        cells: all that the keys have with times from `from_ - size - 2` on.
        size: of a window, ms.
        from_: ms.
        to: ms.
    """
    up_to, after = cells.time + 1, cells.time + size + 2
    left = np.flatnonzero(cells.whole() & (from_ <= up_to) & (up_to < to))
    right = np.flatnonzero((from_ <= after) & (after < to))
    right = right[_counted(cells, Windows(cells.code[right], after[right]), size)]
    code, end = np.concatenate((cells.code[left], cells.code[right])), np.concatenate((up_to[left], after[right]))
    order = np.lexsort((end, code))
    code, end = code[order], end[order]
    once = np.ones(len(code), bool)
    once[1:] = (code[1:] != code[:-1]) | (end[1:] != end[:-1])
    return Windows(code[once], end[once])


def touching(cells: Placed, windows: Windows, size: int) -> NDArray[np.bool_]:
    """Return a mask, True where a cell counts in a window, or makes it because it lies 1 ms before it."""
    return _counted(cells, windows, size + 1)


def _counted(cells: Placed, windows: Windows, before: int) -> NDArray[np.bool_]:
    """Return a mask, True where a cell counts in a window, of those up to `before` ms before its last instant."""
    lo, hi = cells.between(windows.code, windows.end - (before + 1), windows.end - 1)
    wholes = np.concatenate(([0], np.cumsum(cells.whole())))
    some: NDArray[np.bool_] = wholes[hi] > wholes[lo]
    for at in np.flatnonzero(~some & (hi > lo)).tolist():  # only where all that lie in it came late
        some[at] = bool((cells.counts[lo[at] : hi[at]] <= windows.end[at]).any())
    return some


def merged(
    aggregates: Mapping[str, Aggregate], state: State, cells: Placed, windows: Windows, size: int
) -> tuple[State, Rows]:
    """Return a state, and its rows in which the cells of each window are merged.

    Args:
        aggregates: by name.
        state: of the cells.
        cells: at least all that count in the windows.
        windows: shape (m,).
        size: of a window, ms.
    """
    merging = _Merging(aggregates, state, len(windows.end))
    whole = cells.whole()
    for part, runs in ((whole, True), (~whole, False)):
        some = cells.take(np.flatnonzero(part))
        lo, hi = some.between(windows.code, windows.end - (size + 1), windows.end - 1)
        if runs:
            merging.runs(some.rows, lo, hi)
        else:
            merging.each(some, lo, hi, windows.end)
    return merging.made, merging.into


class _Merging:
    """Merges runs of cells into one state row each."""

    def __init__(self, aggregates: Mapping[str, Aggregate], state: State, count: int) -> None:
        """Begin with windows that have seen nothing."""
        self._aggregates, self._state = aggregates, state
        self.made = state.like()
        self.into = self.made.allocate(count)

    def _merge(self, made: State, into: Rows, others: State, rows: Rows) -> None:
        if len(into):
            for name, aggregate in self._aggregates.items():
                aggregate.merge(made.of(name), into, others.of(name), rows)

    def runs(self, rows: Rows, lo: Rows, hi: Rows) -> None:
        """Merge the cells `[lo, hi)` into each window: of runs of 1, 2, 4 ... cells, each of which is merged once.

        So windows that overlap share their work: n cells and m windows of at most w cells are (n + m) log w merges.
        """
        length, at = hi - lo, lo.copy()
        asked = []
        for bit in range(int(length.max(initial=0)).bit_length()):
            part = np.flatnonzero(length & (1 << bit))
            asked.append((part, at[part]))
            at[part] += 1 << bit
        needed = _needed([begin for _, begin in asked])
        state, found = self._state, rows[needed[0]] if needed else rows
        for bit, (part, begin) in enumerate(asked):
            if bit:
                state, found = self._doubled(state, found, needed[bit - 1], needed[bit], 1 << (bit - 1))
            self._merge(self.made, self.into[part], state, found[np.searchsorted(needed[bit], begin)])

    def _doubled(self, state: State, found: Rows, before: Rows, begin: Rows, half: int) -> tuple[State, Rows]:
        """Return runs of twice `half` cells from each position on, of those of `half`."""
        made = state.like()
        into = made.allocate(len(begin))
        for start in (begin, begin + half):
            self._merge(made, into, state, found[np.searchsorted(before, start)])
        return made, into

    def each(self, cells: Placed, lo: Rows, hi: Rows, end: Ints) -> None:
        """Merge those of the cells `[lo, hi)` into each window that count in it, one after the other: they are few."""
        left = np.flatnonzero(lo < hi)
        at = lo[left]
        while len(left):
            counts = cells.counts[at] <= end[left]
            self._merge(self.made, self.into[left[counts]], self._state, cells.rows[at[counts]])
            at = at + 1
            more = at < hi[left]
            left, at = left[more], at[more]


def _needed(asked: list[Rows]) -> list[Rows]:
    """Return where runs of 1, 2, 4 ... cells begin that are asked for, or that longer ones are made of."""
    needed: list[Rows] = []
    above = np.empty(0, np.intp)
    for bit in range(len(asked) - 1, -1, -1):
        above = (
            np.unique(np.concatenate((asked[bit], above, above + (1 << bit)))) if len(above) else np.unique(asked[bit])
        )
        needed.insert(0, above)
    return needed
