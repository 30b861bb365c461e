"""Windows of one length at equal distances, made of panes.

With g = gcd(size, every), a pane is `[offset + p * g, offset + p * g + g)`; window k is `[offset + k * every,
offset + k * every + size)` and is made of b = size / g panes, from k * a with a = every / g. Floor division keeps times
before the epoch right.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

from tables.durations import render
from tables.windows.base import GRACE_OPTION, Option, Window
from tables.windows.panes import Panes

if TYPE_CHECKING:
    from tables.windows.panes import T

OFFSET_OPTION = Option(
    "offset", "How much later than at the multiples of their distance since the epoch windows start.", "0s"
)
COMMON = (OFFSET_OPTION, GRACE_OPTION)


class EvenPanes(Panes):
    """The arithmetic of even windows; all in ms.

    Args:
        size: length of a window.
        every: distance of two starts.
        offset: start of window 0.
        grace: how long after its end a window stays open.
    """

    def __init__(self, size: int, every: int, offset: int, grace: int) -> None:
        """Work out the pane length."""
        super().__init__(grace)
        self._size, self._every, self._offset = size, every, offset
        self._length = gcd(size, every)
        self._step, self._count = every // self._length, size // self._length

    def pane(self, time: T) -> T:
        """Return the pane in which each `time` (ms) lies."""
        return (time - self._offset) // self._length if self._offset else time // self._length

    def first_of(self, pane: T) -> T:
        """Return the first window that holds each pane: ceil((pane - b + 1) / a)."""
        return -((self._count - 1 - pane) // self._step)

    def last_of(self, pane: T) -> T:
        """Return the last window that holds each pane: floor(pane / a)."""
        return pane // self._step

    def panes_of(self, window: int) -> range:
        """Return the panes of which a window is made."""
        return range(window * self._step, window * self._step + self._count)

    def start(self, window: T) -> T:
        """Return the first ms of each window."""
        return window * self._every + self._offset

    def end(self, window: T) -> T:
        """Return the ms after each window."""
        return window * self._every + (self._offset + self._size)

    def starting_from(self, time: T) -> T:
        """Return the first window that starts at each `time` (ms) or later."""
        return -((self._offset - time) // self._every)

    def ending_from(self, time: T) -> T:
        """Return the first window that ends at each `time` (ms) or later."""
        return -((self._offset + self._size - time) // self._every)


@dataclass(frozen=True)
class Even(Window):
    """Windows `[start, start + size)` whose starts are `offset` after every multiple of `every` since the epoch.

    Args:
        size: length in ms.
        offset: how much later than at the multiples windows start, in ms.
        grace: as in `Window`.
    """

    size: int
    offset: int = 0

    def __post_init__(self) -> None:
        """Refuse windows that could hold nothing, and offsets that mean another one."""
        if self.size <= 0:
            raise ValueError("a window must be longer than 0s; write for example tumbling('1m')")
        if not 0 <= self.offset < max(self.interval, 1):
            raise ValueError(
                f"`offset` must be less than the distance of two starts, {render(self.interval)}, not "
                f"{render(abs(self.offset))}; a whole distance more or less is the same windows"
            )

    @property
    @abstractmethod
    def interval(self) -> int:
        """The distance of two starts."""

    @property
    def longest(self) -> int:
        """Their length."""
        return self.size

    def panes(self) -> Panes:
        """Return the arithmetic of these windows."""
        return EvenPanes(self.size, self.interval, self.offset, self.grace)

    def shape(self) -> Any:
        """Return length and distance, and the offset if there is one."""
        return [self.size, self.interval, *([self.offset] if self.offset else [])]

    def shifted(self) -> str:
        """Return the offset in words."""
        return f", offset {render(self.offset)}" if self.offset else ""
