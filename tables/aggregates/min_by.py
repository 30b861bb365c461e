"""`min_by("x", "y")`: x of the row in which y is least, any value that JSON has; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tables.aggregates.extreme_by import ExtremeBy


@dataclass(frozen=True, init=False)
class MinBy(ExtremeBy):
    """The value of `of` in the row in which `by` is least."""

    kind: ClassVar[str] = "min_by"
    extreme: ClassVar[int] = -1


def min_by(of: str, by: str, *, where: str | None = None) -> MinBy:
    """Keep the value of one expression where another is least: `min_by("url", "duration")`.

    Args:
        of: expression whose value is taken, of any type; rows in which it is null are left out.
        by: expression of the number that chooses the row; of equal ones the row with the greatest event time, and
            of those the greatest offset.
        where: expression that a row must hold to count.
    """
    return MinBy(of, by, where=where)
