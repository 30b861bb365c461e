"""`delta("x")`: the last x less the first x, by event time; null of fewer than two values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import all_floats, float_column, present
from tables.aggregates.order import NEVER, later, one_each, tied_last

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Column

_ENDS = {"first": -1, "last": 1}
_ORDERS = ("time", "offset", "value")


@dataclass(frozen=True)
class Delta(Aggregate):
    """How much a gauge changed from the first to the last value that is not null; a float.

    Of values of one time that with the least offset is the first, that with the greatest the last, and of one offset
    the least and the greatest value. Nothing is extrapolated. Integers beyond 2^53 are rounded to floats.
    """

    kind: ClassVar[str] = "delta"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return how many values there were, and both ends: time, offset and value, of the first one negated."""
        zeros = {"time": Fixed("<i8", NEVER), "offset": Fixed("<i8", NEVER), "value": Fixed("<f8", -np.inf)}
        return {"n": Fixed("<i8"), **{f"{end}_{order}": zeros[order] for end in _ENDS for order in _ORDERS}}

    def fold(self, state: View, fold: Fold) -> None:
        """Find both ends of the batch for each state row, and compare them with the known ones."""
        values, mask, m = all_floats(fold), None if fold.values is None else present(fold.values), len(fold.rows)
        events = np.arange(len(values)) if mask is None else np.flatnonzero(mask)
        state["n"][fold.rows] += np.bincount(fold.index[events], minlength=m)
        for end, sign in _ENDS.items():
            orders = (sign * fold.time, sign * fold.offset, sign * values)
            at = one_each(tied_last(events, fold.index, m, *orders), fold.index, m)
            _take(state, fold.rows[fold.index[at]], end, tuple(order[at] for order in orders))

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Compare both ends."""
        into["n"][rows] += other["n"][others]
        for end in _ENDS:
            _take(into, rows, end, tuple(other[f"{end}_{order}"][others] for order in _ORDERS))

    def result(self, state: View, rows: Rows) -> Column:
        """Return the differences; null where fewer than two values were seen or the difference overflows."""
        null = state["n"][rows] < 2  # noqa: PLR2004 - a difference takes two
        with np.errstate(over="ignore", invalid="ignore"):
            return float_column(state["last_value"][rows] + state["first_value"][rows], null)


def _take(state: View, rows: Rows, end: str, orders: tuple[NDArray[Any], ...]) -> None:
    """Replace one end of the rows (unique) where these, shape (m,) each, come after it."""
    names = tuple(f"{end}_{order}" for order in _ORDERS)
    after, _ = later(state, rows, names, orders)
    for name, order in zip(names, orders, strict=True):
        state[name][rows[after]] = order[after]


def delta(of: str, *, where: str | None = None) -> Delta:
    """Tell how much a gauge changed: `delta("temperature")`; for counters use `increase`.

    Args:
        of: expression whose values are compared; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Delta(of, where=where)
