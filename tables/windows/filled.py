"""Windows that are over when they are full, by number: it says when that was, and is no other window's.

A number is an event time in ms, shifted, and behind it a counter: a row fills a window, or begins one, at the event
time that its input has come to, and several may do so at the same. In one partition numbers rise in the order of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.records import NEVER
from tables.windows.panes import FOREVER, Steps

if TYPE_CHECKING:
    from tables.windows.panes import T, Times

BITS = 12
"""Bits of the counter. Numbers of times up to the year 2039 stay below 2^53, up to which JSON's readers are exact."""
MINUTE = 60_000 << BITS
OPEN = FOREVER
"""The number of a window that is not full."""


class Filled(Steps):
    """The arithmetic of such numbers. No row is late, and no watermark ends a window."""

    def __init__(self) -> None:
        """Begin without grace: there is nothing to wait for."""
        super().__init__(0)

    def pane(self, time: T) -> T:
        """Return the time."""
        return time

    def first_of(self, pane: T) -> T:
        """Return what is less than any number."""
        return pane * 0 + NEVER

    def last_of(self, pane: T) -> T:
        """Return what is greater than any number: a row counts whenever it comes."""
        return pane * 0 + FOREVER

    def end(self, window: T) -> T:
        """Return when a window was full: the ms after the greatest event time of its input by then."""
        return window >> BITS

    def ending_from(self, time: T) -> T:
        """Return the least number of a window that was full at each `time` (ms) or later."""
        return time << BITS

    def open_from(self, watermark: T) -> T:
        """Return the least number that a window can have which a row fills after each watermark (ms)."""
        return (watermark + 1) << BITS

    def counts_from(self, pane: Times, watermark: Times) -> Times:
        """Return the least number that a window can have which each row fills or begins."""
        return pane * 0 + self.open_from(watermark)

    def place(self, window: int, key: bytes) -> tuple[int, bytes]:
        """Return the time up to which time alone changes alerts before a window is judged."""
        del key
        return (NEVER if window == NEVER else self.end(window)), b""

    def reached(self, window: int, watermark: int) -> int:
        """Return the watermark: rows go on filling windows from there."""
        del window
        return watermark

    def drawer(self, time: T) -> T:
        """Return in which drawer of the store a cell lies whose window has this number."""
        return time // MINUTE

    def drawn_to(self, drawer: int) -> int:
        """Return what is greater than the number of every window of a drawer's cells."""
        return (drawer + 1) * MINUTE

    def drawn_by(self, number: int) -> int:
        """Return the greatest number, up to this one, up to which whole drawers go."""
        return self.drawn_to(number // MINUTE - 1)


def numbered(least: Times, after: int) -> Times:
    """Return a number for each of n windows that begin or are full, one after the other.

    Args:
        least: shape (n,), the least number of each.
        after: the number that was given last; all are greater.
    """
    steps = np.arange(len(least))
    rising = np.maximum.accumulate(np.maximum(least - steps, after + 1))
    numbers: Times = rising + steps
    return numbers
