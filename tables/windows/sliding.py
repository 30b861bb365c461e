"""`{sliding: 5m}`: windows that begin and end with the rows of their key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tables.durations import parse, render
from tables.windows.base import GRACE_OPTION, Option, Window
from tables.windows.ends import Ends

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Sliding(Window):
    """Windows of one key, all of the same length, with both ends included: one for each set of rows that fits in it.

    As in Kafka Streams' `SlidingWindows` a row at t makes the window `[t - size, t]` of the rows up to it, and that of
    the rows after it, `[t + 1 ms, t + 1 ms + size]`, if there are some. As a half-open interval, which is what a row of
    the table says, a window ends 1 ms after its last instant.

    Args:
        size: most ms between two rows of a window.
        grace: as in `Window`.
    """

    kind: ClassVar[str] = "sliding"
    options: ClassVar[tuple[Option, ...]] = (
        Option("sliding", "Most time between two rows of a window.", least=1, argument="size"),
        GRACE_OPTION,
    )
    example: ClassVar[str] = "{sliding: 5m}"
    unaligned: ClassVar[bool] = True

    size: int

    def __post_init__(self) -> None:
        """Refuse windows of one instant."""
        if self.size <= 0:
            raise ValueError("a sliding window must be longer than 0s; write for example sliding('5m')")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return a plain one and one without grace."""
        return cls(10_000, grace=5_000), cls(10_000, grace=0)

    def panes(self) -> Ends:
        """Return the arithmetic of their ends; a row makes a window that ends 1 ms after the last one it counts in."""
        return Ends(self.size + 1, self.grace, after=1)

    @property
    def longest(self) -> int:
        """How long a window lasts, with both of its ends."""
        return self.size + 1

    @property
    def interval(self) -> int:
        """The size: how often a window ends is up to the rows."""
        return self.size

    def shape(self) -> Any:
        """Return the kind and the size."""
        return [self.kind, self.size]

    def words(self) -> str:
        """Return what they are, in words."""
        return f"sliding windows of {render(self.size)}, both ends included"


def sliding(size: str, *, grace: str = "10s") -> Sliding:
    """Return windows that begin and end with the rows of each key: `sliding("5m")`.

    Args:
        size: most time between two rows of a window; durations are text, such as "5m".
        grace: how long after its end a window stays open, in event time.

    Raises:
        ValueError: an argument is no duration, or `size` is 0.
    """
    return Sliding(parse(size), grace=parse(grace))
