"""`max_by("x", "y")`: x of the row in which y is greatest, any value that JSON has; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tables.aggregates.extreme_by import ExtremeBy


@dataclass(frozen=True, init=False)
class MaxBy(ExtremeBy):
    """The value of `of` in the row in which `by` is greatest."""

    kind: ClassVar[str] = "max_by"
    extreme: ClassVar[int] = 1


def max_by(of: str, by: str, *, where: str | None = None) -> MaxBy:
    """Keep the value of one expression where another is greatest: `max_by("url", "duration")`.

    Args:
        of: expression whose value is taken, of any type; rows in which it is null are left out.
        by: expression of the number that chooses the row; of equal ones the row with the greatest event time, and
            of those the greatest offset.
        where: expression that a row must hold to count.
    """
    return MaxBy(of, by, where=where)
