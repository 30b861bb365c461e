"""`{hopping: 5m, every: 30s}`: windows that overlap."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from tables.durations import parse, render
from tables.windows.base import Option
from tables.windows.even import COMMON, Even

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Hopping(Even):
    """Windows of which one begins at each `every`.

    Args:
        size: length in ms.
        every: distance of two starts in ms, at most `size`.
        offset: as in `Even`.
        grace: as in `Window`.
    """

    kind: ClassVar[str] = "hopping"
    options: ClassVar[tuple[Option, ...]] = (
        Option("hopping", "Length of windows that overlap; needs `every`.", least=1, argument="size"),
        Option("every", "Distance of two starts of hopping windows; at most their length.", least=1),
        *COMMON,
    )
    example: ClassVar[str] = "{hopping: 5m, every: 30s}"

    every: int = field(kw_only=True)

    def __post_init__(self) -> None:
        """Refuse windows that leave gaps."""
        super().__post_init__()
        if not 0 < self.every <= self.size:
            raise ValueError(
                "`every` must be more than 0s and at most the window's length, or rows fall between windows"
            )

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return a multiple of its distance, one that is none, one that does not overlap, and one that is shifted."""
        return (
            cls(20_000, every=10_000, grace=5_000),
            cls(30_000, every=20_000, grace=0),
            cls(10_000, every=10_000),
            cls(30_000, 4_000, every=10_000, grace=12_000),
        )

    @property
    def interval(self) -> int:
        """The distance of two starts."""
        return self.every

    def words(self) -> str:
        """Return what they are, in words."""
        return f"hopping windows of {render(self.size)} every {render(self.every)}{self.shifted()}"


def hopping(size: str, every: str, *, offset: str = "0s", grace: str = "10s") -> Hopping:
    """Return windows of `size` that start at each `every`: `hopping("5m", every="30s")`.

    Args:
        size: their length; all durations are text, such as "5m".
        every: distance of two starts, at most `size`; panes are the greatest common divisor of both.
        offset: how much later than at the multiples of `every` since the epoch they start.
        grace: how long after its end a window stays open, in event time.

    Raises:
        ValueError: an argument is no duration, or they do not fit together.
    """
    return Hopping(parse(size), parse(offset), every=parse(every), grace=parse(grace))
