"""`ratio("status >= 500")`: the share of rows for which a condition holds, from 0 to 1; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import float_column, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fold, Needs, Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Ratio(Aggregate):
    """The number of rows for which `of` holds by the number of rows in which it is not null; `where` limits both."""

    kind: ClassVar[str] = "ratio"
    needs: ClassVar[Needs] = "condition"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="y > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return how many rows hold, and how many there are."""
        return {"held": Fixed("<i8"), "n": Fixed("<i8")}

    def fold(self, state: View, fold: Fold) -> None:
        """Count the batch's rows.

        Raises:
            TypeError: the column holds no conditions.
        """
        if fold.values is None or fold.values.kind != "bool":
            raise TypeError(f"ratio needs a condition, not {fold.values and fold.values.kind}")
        mask, m = present(fold.values), len(fold.rows)
        index, values = fold.index, fold.values.values
        if mask is not None:
            index, values = index[mask], values[mask]
        state["held"][fold.rows] += np.bincount(index[values], minlength=m)
        state["n"][fold.rows] += np.bincount(index, minlength=m)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the counts."""
        for name in ("held", "n"):
            into[name][rows] += other[name][others]

    def result(self, state: View, rows: Rows) -> Column:
        """Return the shares, floats; null where no row was seen."""
        n = state["n"][rows]
        return float_column(state["held"][rows] / np.maximum(n, 1), n == 0)


def ratio(of: str, *, where: str | None = None) -> Ratio:
    """Tell the share of rows for which a condition holds: `ratio("status >= 500", where="path != '/health'")`.

    Args:
        of: the condition; rows in which it is null are left out.
        where: expression that a row must hold to count at all.
    """
    return Ratio(of, where=where)
