"""What min_by and max_by have in common: the value of one expression where another is extreme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables.aggregates.base import Fixed
from tables.aggregates.edges import Edge
from tables.aggregates.numeric import present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Aggregate, Fold, Objects
    from tables.columns import Column, Mask


@dataclass(frozen=True, init=False)
class ExtremeBy(Edge):
    """The value of `of` in the row in which `by` is extreme; of several such rows in the last one by event time.

    Rows in which either is null do not count. `by` is compared as a float: integers beyond 2^53 are rounded.

    Args:
        of: expression whose value is taken.
        by: expression of the number that chooses the row.
        where: expression that a row must hold to count.
    """

    expressions: ClassVar[tuple[str, ...]] = ("of", "by", "where")
    extreme: ClassVar[int] = 1
    """1 for the greatest, -1 for the least."""

    by: str = field(kw_only=True)

    def __init__(self, of: str, by: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: an argument is no expression.
        """
        for name, value in (("of", of), ("by", by), ("where", where)):
            object.__setattr__(self, name, value)
        if by is None:
            raise ValueError(f'{self.kind} needs what to choose by; write for example {self.kind}("url", "duration")')
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x", "y"), cls("x", "y", where="x > 0")

    @property
    def names(self) -> tuple[str, ...]:
        """The state columns that events are ordered by."""
        return ("by", "time", "offset")

    def columns(self) -> Mapping[str, Fixed | Objects]:
        """Return the value, and the number, time and offset that it came with."""
        return {"by": Fixed("<f8", -np.inf), **super().columns()}

    def orders(self, fold: Fold) -> dict[str, NDArray[Any]]:
        """Return what the batch's events are ordered by."""
        return {"by": self.extreme * _floats(_chosen(fold)), **super().orders(fold)}

    def counted(self, fold: Fold) -> Mask | None:
        """Return the events in which both values are there."""
        of, by = super().counted(fold), present(_chosen(fold))
        return by if of is None else of if by is None else of & by


def _chosen(fold: Fold) -> Column:
    """Return the column of numbers that choose the row."""
    if fold.by is None or fold.by.kind not in {"int", "float", "mixed"}:
        raise TypeError(f"a column of numbers is needed to choose by, not {fold.by and fold.by.kind}")
    return fold.by


def _floats(column: Column) -> NDArray[np.float64]:
    """Return the numbers as floats; where they are null anything but NaN, which no order knows."""
    values = column.values.astype(np.float64)
    if column.integer is not None and column.ints is not None:
        values = np.where(column.integer, column.ints, values)
    return np.nan_to_num(values, posinf=np.inf, neginf=-np.inf)
