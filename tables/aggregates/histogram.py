"""`histogram([0.1, 0.5, 1], "x")`: how many x lie in each bucket; an object by upper bound, also of nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import floats
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tables.aggregates.base import Fold, Rows, View

MAX_BOUNDS = 200


@dataclass(frozen=True, init=False)
class Histogram(Aggregate):
    """Counts of the values that are not null in fixed buckets, each of which includes its upper bound.

    The result is an object such as `{"0.1": 3, "0.5": 7, "+Inf": 0}`, upper bound to the number of values above the
    bound before. Counts are not cumulated, unlike those of Prometheus.

    Args:
        bounds: upper bounds, rising; the last bucket, `+Inf`, is added.
        of: expression whose values are counted.
        where: expression that a row must hold to count.
    """

    kind: ClassVar[str] = "histogram"
    gives: ClassVar[Literal["number", "of", "any"]] = "any"

    bounds: tuple[float, ...] = field(kw_only=True)

    def __init__(self, bounds: tuple[float, ...], of: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: the bounds are no rising finite numbers, or `of` no expression.
        """
        _check(bounds)
        for name, value in (("bounds", tuple(map(float, bounds))), ("of", of), ("where", where)):
            object.__setattr__(self, name, value)
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one with several buckets, and one with a condition."""
        return cls((-1.0, 0.5, 3.0), "x"), cls((0.0,), "x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return one counter a bucket."""
        return {f"n{at}": Fixed("<i8") for at in range(len(self.bounds) + 1)}

    def fold(self, state: View, fold: Fold) -> None:
        """Count the batch's values."""
        index, values = floats(fold)
        bucket = np.searchsorted(self.bounds, values)
        width = len(self.bounds) + 1
        counts = np.bincount(index * width + bucket, minlength=len(fold.rows) * width).reshape(-1, width)
        for name, count in zip(self.columns(), counts.T, strict=True):
            state[name][fold.rows] += count

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the counts."""
        for name in self.columns():
            into[name][rows] += other[name][others]

    def result(self, state: View, rows: Rows) -> Column:
        """Return objects of integers by upper bound."""
        names = [*(repr(bound).removesuffix(".0") for bound in self.bounds), "+Inf"]
        counts = zip(*(state[name][rows].tolist() for name in self.columns()), strict=True)
        return Column("any", boxed([dict(zip(names, row, strict=True)) for row in counts]))


def _check(bounds: Any) -> None:
    """Refuse what are no rising numbers."""
    numbers = isinstance(bounds, tuple) and all(type(bound) in {int, float} for bound in bounds)
    rising = numbers and all(low < high for low, high in pairwise(bounds)) and all(map(math.isfinite, bounds))
    if not rising or not 0 < len(bounds) <= MAX_BOUNDS:
        hint = 'write for example histogram([0.1, 0.5, 1], "duration")'
        raise ValueError(f"histogram takes 1 to {MAX_BOUNDS} rising numbers first, not {bounds!r}; {hint}")


def histogram(bounds: Sequence[float], of: str, *, where: str | None = None) -> Histogram:
    """Count an expression's values in buckets: `histogram([0.1, 0.5, 1], "duration")`.

    Args:
        bounds: upper bounds of the buckets, rising; one above the last is added.
        of: expression whose values are counted; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Histogram(tuple(bounds) if isinstance(bounds, list) else bounds, of, where=where)  # type: ignore[arg-type]
