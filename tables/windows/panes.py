"""Time to panes to windows: pure integer arithmetic, the same for one instant and for an array of them.

Panes and windows are known by their number, an int64; both numberings rise with time and have no gaps. A pane is what
an event touches; a window is a run of panes, so that an event touches one cell however much windows overlap. This is
all that cells, closing, rules and reading ask of the windows of a table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tables.records import NEVER

Times = NDArray[np.int64]
T = TypeVar("T", int, Times)
FOREVER = 1 << 62
"""The end of the one window of a table without window."""


class Steps(ABC):
    """The windows of one table by number, as closing and rules know them, and what a row counts in.

    Args:
        grace: how long after its end a window stays open, in ms.
    """

    windowed = True
    """Whether windows ever end."""

    def __init__(self, grace: int) -> None:
        """Keep the grace."""
        self._grace = grace

    @abstractmethod
    def pane(self, time: T) -> T:
        """Return the pane in which each `time` (ms) lies."""

    @abstractmethod
    def first_of(self, pane: T) -> T:
        """Return the first window that holds each pane."""

    @abstractmethod
    def last_of(self, pane: T) -> T:
        """Return the last window that holds each pane."""

    @abstractmethod
    def end(self, window: T) -> T:
        """Return the ms after each window; `FOREVER` where it has none."""

    @abstractmethod
    def ending_from(self, time: T) -> T:
        """Return the first window that ends at each `time` (ms) or later."""

    def open_from(self, watermark: T) -> T:
        """Return the first window that each watermark (ms) leaves open: the least k with end(k) + grace > watermark."""
        return self.ending_from(watermark - (self._grace - 1))

    def closes_at(self, window: int) -> int:
        """Return the watermark that closes a window: its end + grace."""
        return self.end(window) + self._grace

    def counts_from(self, pane: Times, watermark: Times) -> Times:
        """Return the first window in which each row still counts.

        Args:
            pane: shape (n,), the rows' panes.
            watermark: shape (n,) or (1,), for each row the greatest event time seen in its input before it and in it.
        """
        return np.maximum(self.first_of(pane), self.open_from(watermark))

    def place(self, window: int, key: bytes) -> tuple[int, bytes]:
        """Return what is judged before a window of a key's own: what time alone changes up to this time and key."""
        return window, key

    def reached(self, window: int, watermark: int) -> int:
        """Return the watermark of closed rows, of which this window is the first that is not closed."""
        del watermark
        return NEVER if window == NEVER else self.end(window) - 1

    def late(self, pane: Times, first: Times) -> NDArray[np.bool_]:
        """Return a mask, True where all windows of a row's pane were closed: it counts in none."""
        late: NDArray[np.bool_] = first > self.last_of(pane)
        return late


class Panes(Steps):
    """The panes and windows of one table whose windows are the same for all keys."""

    @abstractmethod
    def panes_of(self, window: int) -> range:
        """Return the panes of which a window is made."""

    @abstractmethod
    def start(self, window: T) -> T:
        """Return the first ms of each window; `NEVER` where it has none."""

    @abstractmethod
    def starting_from(self, time: T) -> T:
        """Return the first window that starts at each `time` (ms) or later."""

    def windows_at(self, from_: int, to: int) -> range:
        """Return the windows that start in `[from_, to)` (ms)."""
        return range(self.starting_from(from_), self.starting_from(to))


class Whole(Panes):
    """A table without window: one pane, 0, and one window, 0, which never closes."""

    windowed = False

    def __init__(self) -> None:
        """Need nothing."""
        super().__init__(0)

    def pane(self, time: T) -> T:
        """Return pane 0."""
        return time * 0

    def first_of(self, pane: T) -> T:
        """Return window 0."""
        return pane * 0

    def last_of(self, pane: T) -> T:
        """Return window 0."""
        return pane * 0

    def panes_of(self, window: int) -> range:
        """Return pane 0."""
        del window
        return range(1)

    def start(self, window: T) -> T:
        """Return `NEVER`."""
        return window * 0 + NEVER

    def end(self, window: T) -> T:
        """Return `FOREVER`."""
        return window * 0 + FOREVER

    def starting_from(self, time: T) -> T:
        """Return window 0."""
        return time * 0

    def ending_from(self, time: T) -> T:
        """Return window 0."""
        return time * 0

    def closes_at(self, window: int) -> int:
        """Return `FOREVER`."""
        return self.end(window)

    def windows_at(self, from_: int, to: int) -> range:
        """Return window 0, whatever is asked."""
        del from_, to
        return range(1)
