"""Time to panes to windows: pure integer arithmetic, the same for one instant and for an array of them.

Windows are merges of panes. With g = gcd(size, every), a pane is `[p * g, p * g + g)`; window k is
`[k * every, k * every + size)` and is made of b = size / g panes, from k * a with a = every / g. Floor division keeps
times before the epoch right.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from tables.records import NEVER

if TYPE_CHECKING:
    from tables.spec import Window

Times = NDArray[np.int64]
T = TypeVar("T", int, Times)
FOREVER = 1 << 62
"""The end of the one window of a table without window."""


class Panes:
    """The panes and windows of one table; both are known by their number, an int64.

    A table without window has one pane, 0, and one window, 0, which never closes.

    Args:
        window: the table's window; None keeps one running total.
    """

    def __init__(self, window: Window | None) -> None:
        """Work out the pane length."""
        self.window = window
        self._size = window.size if window else 1
        self._every = window.every if window else 1
        self._wait = window.size + window.grace if window else 0
        self._length = gcd(self._size, self._every)
        self._step = self._every // self._length
        self._count = self._size // self._length

    @property
    def length(self) -> int:
        """Length of a pane in ms; 0 without window."""
        return self._length if self.window else 0

    @property
    def simple(self) -> bool:
        """Whether each window is exactly one pane."""
        return self._count == 1

    def pane(self, time: T) -> T:
        """Return the pane in which each `time` (ms) lies."""
        return time // self._length if self.window else time * 0

    def first_of(self, pane: T) -> T:
        """Return the first window that holds each pane: ceil((pane - b + 1) / a)."""
        return -((self._count - 1 - pane) // self._step)

    def last_of(self, pane: T) -> T:
        """Return the last window that holds each pane: floor(pane / a)."""
        return pane // self._step

    def start(self, window: T) -> T:
        """Return the first ms of each window; `NEVER` without window."""
        return window * self._every if self.window else window * 0 + NEVER

    def end(self, window: T) -> T:
        """Return the ms after each window; `FOREVER` without window."""
        return window * self._every + self._size if self.window else window * 0 + FOREVER

    def panes_of(self, window: int) -> range:
        """Return the panes of which a window is made."""
        return range(window * self._step, window * self._step + self._count)

    def open_from(self, watermark: T) -> T:
        """Return the first window that each watermark (ms) leaves open: the least k with end(k) + grace > watermark."""
        return (watermark - self._wait) // self._every + 1 if self.window else watermark * 0

    def closes_at(self, window: int) -> int:
        """Return the watermark that closes a window: its end + grace."""
        return window * self._every + self._wait if self.window else FOREVER

    def counts_from(self, pane: Times, watermark: Times) -> Times:
        """Return the first window in which each row still counts.

        Args:
            pane: shape (n,), the rows' panes.
            watermark: shape (n,) or (1,), for each row the greatest event time seen in its input before it and in it.
        """
        return np.maximum(self.first_of(pane), self.open_from(watermark))

    def late(self, pane: Times, first: Times) -> NDArray[np.bool_]:
        """Return a mask, True where all windows of a row's pane were closed: it counts in none."""
        late: NDArray[np.bool_] = first > self.last_of(pane)
        return late

    def windows_at(self, from_: int, to: int) -> range:
        """Return the windows that start in `[from_, to)` (ms); window 0 without window."""
        if self.window is None:
            return range(1)
        return range(-(-from_ // self._every), -(-to // self._every))
