"""`{count: 100}`: windows of so many rows of their key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tables.windows.base import Option, Window
from tables.windows.filled import Filled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


@dataclass(frozen=True)
class Counted(Window):
    """Windows of one key, each of `size` rows in the order in which they are folded, as Flink's `countWindow(size)`.

    Args:
        size: rows of a window.
        grace: 0. No row is late.
    """

    kind: ClassVar[str] = "count"
    options: ClassVar[tuple[Option, ...]] = (
        Option("count", "Number of rows of a key that make a window.", takes="number", least=1, argument="size"),
    )
    example: ClassVar[str] = "{count: 100}"
    unaligned: ClassVar[bool] = True
    refuses: ClassVar[Mapping[str, str]] = {
        "grace": "a window is full with its last row, whatever its time, and no row is late",
        "every": "windows of rows follow one another and do not overlap",
        "offset": "the first window begins with the first row of its key",
    }

    size: int
    grace: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse windows without rows, and a grace."""
        if self.size < 1:
            raise ValueError("a window of rows has at least 1; write for example counted(100)")
        if self.grace:
            raise ValueError(f"count windows have no grace: {self.refuses['grace']}")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return small ones, and the smallest."""
        return cls(3), cls(7), cls(1)

    def panes(self) -> Filled:
        """Return the arithmetic of their numbers."""
        return Filled()

    @property
    def longest(self) -> int:
        """Nothing: time ends none, and a row is kept as from when its window was full."""
        return 0

    @property
    def interval(self) -> int:
        """Nothing: how often a window is full is up to the rows."""
        return 0

    def shape(self) -> Any:
        """Return the kind and the size."""
        return [self.kind, self.size]

    def words(self) -> str:
        """Return what they are, in words."""
        return f"windows of {self.size} row{'s' if self.size > 1 else ''} of a key"

    def text(self) -> str:
        """Return the same: they have no grace."""
        return self.words()


def counted(size: int) -> Counted:
    """Return windows of so many rows of each key: `counted(100)`.

    Args:
        size: rows of a window.

    Raises:
        ValueError: `size` is less than 1.
    """
    return Counted(size)
