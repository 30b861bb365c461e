"""`{tumbling: 1m}`: windows that touch and do not overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tables.durations import parse, render
from tables.windows.base import Option
from tables.windows.even import COMMON, Even

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Tumbling(Even):
    """Windows of which each begins where the one before ends."""

    kind: ClassVar[str] = "tumbling"
    options: ClassVar[tuple[Option, ...]] = (
        Option("tumbling", "Length of windows that touch and do not overlap.", least=1, argument="size"),
        *COMMON,
    )
    example: ClassVar[str] = "{tumbling: 1m}"

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return a plain one, one without grace, and one that is shifted."""
        return cls(10_000), cls(10_000, grace=0), cls(20_000, 7_000, grace=5_000)

    @property
    def interval(self) -> int:
        """Their length."""
        return self.size

    def words(self) -> str:
        """Return what they are, in words."""
        return f"tumbling windows of {render(self.size)}{self.shifted()}"


def tumbling(size: str, *, offset: str = "0s", grace: str = "10s") -> Tumbling:
    """Return windows of `size` that touch and do not overlap: `tumbling("1m")`.

    Args:
        size: their length; all durations are text, such as "1m".
        offset: how much later than at the multiples of `size` since the epoch they start.
        grace: how long after its end a window stays open, in event time.

    Raises:
        ValueError: an argument is no duration, `size` is 0, or `offset` is not less than `size`.
    """
    return Tumbling(parse(size), parse(offset), grace=parse(grace))
