"""Windows that follow the rows of their key, by number: the number of such a window is its end in ms.

So windows close in the order of their numbers here too; several keys, or one, may have a window of a number, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.windows.panes import Steps

if TYPE_CHECKING:
    from tables.windows.panes import T, Times

MINUTE = 60_000


class Ends(Steps):
    """The arithmetic of windows that are known by their ends; all in ms. The pane of a row is its time.

    Args:
        reach: how much later than a row a window that it counts in ends at most.
        grace: how long after its end a window stays open.
        after: how much later than that one a window ends at most that exists because of the row.
    """

    def __init__(self, reach: int, grace: int, after: int = 0) -> None:
        """Work out the length of a drawer: long enough that there are not too many of them."""
        super().__init__(grace)
        self._reach, self._kept = reach, reach + after
        self._drawer = max(reach, MINUTE)

    def pane(self, time: T) -> T:
        """Return the time."""
        return time

    def first_of(self, pane: T) -> T:
        """Return the end of the window of which a row is the last one."""
        return pane + 1

    def last_of(self, pane: T) -> T:
        """Return the greatest end of a window that a row counts in."""
        return pane + self._reach

    def end(self, window: T) -> T:
        """Return the number."""
        return window

    def ending_from(self, time: T) -> T:
        """Return the time."""
        return time

    def counts_from(self, pane: Times, watermark: Times) -> Times:
        """Return the least end of a window that is still open for each row, whether or not the row can lie in it."""
        return pane * 0 + self.open_from(watermark)

    def drawer(self, time: T) -> T:
        """Return in which drawer of the store a cell lies whose last row is of this time."""
        return time // self._drawer

    def drawn_to(self, drawer: int) -> int:
        """Return what is greater than the number of every window of a drawer's cells."""
        return (drawer + 1) * self._drawer + self._kept

    def drawn_by(self, number: int) -> int:
        """Return the greatest number, up to this one, up to which whole drawers go."""
        return self.drawn_to((number - self._kept) // self._drawer - 1)
