"""`ewma("x", half_life="5m")`: the mean of x in which a value counts half after each half-life; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import all_floats, float_column, present
from tables.aggregates.order import NEVER
from tables.durations import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Column


@dataclass(frozen=True, init=False)
class Ewma(Aggregate):
    """The exponentially weighted mean: sum(w x) / sum(w) with w = 2^-(age / half_life).

    The age is counted in event time from the newest value, to which the sums are moved whenever a newer one comes: so
    the order of rows does not matter, and no weight overflows. Values of one time weigh the same. Integers beyond 2^53
    are rounded to floats.

    Args:
        of: expression whose values are averaged.
        half_life: after this time a value counts half, as a duration such as "5m".
        where: expression that a row must hold to count.
    """

    kind: ClassVar[str] = "ewma"

    half_life: str = field(kw_only=True)

    def __init__(self, of: str, half_life: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: `half_life` is no duration above 0, or `of` no expression.
        """
        for name, value in (("of", of), ("half_life", half_life), ("where", where)):
            object.__setattr__(self, name, value)
        given: object = half_life
        if not isinstance(given, str) or parse(given) <= 0:
            raise ValueError(f'`half_life` of ewma is a duration such as "5m", not {half_life!r}')
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a short and a long memory, the latter with a condition."""
        return cls("x", "2ms"), cls("x", "5m", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return the time of the newest value, and the sums of weights and of weighted values as of that time."""
        return {"newest": Fixed("<i8", NEVER), "weight": Fixed("<f8"), "sum": Fixed("<f8")}

    def fold(self, state: View, fold: Fold) -> None:
        """Add the batch's values, weighed by their age."""
        mask = None if fold.values is None else present(fold.values)
        index, time, values, m = fold.index, fold.time, all_floats(fold), len(fold.rows)
        if mask is not None:
            index, time, values = index[mask], time[mask], values[mask]
        newest = np.full(m, NEVER, np.int64)
        np.maximum.at(newest, index, time)
        weights = self._weight(newest[index], time)
        weight, total = (np.bincount(index, part, m).astype(np.float64) for part in (weights, weights * values))
        self._add(state, fold.rows, newest, weight, total)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the sums as of the newer of both times."""
        self._add(into, rows, other["newest"][others], other["weight"][others], other["sum"][others])

    def result(self, state: View, rows: Rows) -> Column:
        """Return the means, floats; null where no value was seen or a sum overflowed."""
        weight = state["weight"][rows]
        null = weight == 0
        with np.errstate(all="ignore"):
            return float_column(state["sum"][rows] / np.where(null, 1.0, weight), null)

    def _add(
        self,
        state: View,
        rows: Rows,
        newest: NDArray[np.int64],
        weight: NDArray[np.float64],
        total: NDArray[np.float64],
    ) -> None:
        """Add sums, shape (m,), that are as of `newest`, to those of the rows (unique)."""
        known = state["newest"][rows]
        now = np.maximum(known, newest)
        ours, theirs = self._weight(now, known), self._weight(now, newest)
        with np.errstate(all="ignore"):
            state["weight"][rows] = state["weight"][rows] * ours + weight * theirs
            state["sum"][rows] = state["sum"][rows] * ours + total * theirs
        state["newest"][rows] = now

    def _weight(self, now: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much what was 1 `then` weighs `now`; exactly 1 if they are equal."""
        # Floats hold the ms of any time that there is exactly; `NEVER` is so long ago that nothing is left.
        age = now.astype(np.float64) - then.astype(np.float64)
        weights: NDArray[np.float64] = np.exp2(-age / parse(self.half_life))
        return weights


def ewma(of: str, half_life: str, *, where: str | None = None) -> Ewma:
    """Average an expression's values with more weight on the newer ones: `ewma("duration", half_life="5m")`.

    Args:
        of: expression whose values are averaged; nulls are left out.
        half_life: after this time a value counts half, as a duration such as "5m".
        where: expression that a row must hold to count.
    """
    return Ewma(of, half_life, where=where)
