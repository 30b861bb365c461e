"""`mean("x")`: the sum of x by the number of its values; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.sums import fold_sum, merge_sum, sum_columns, total
from tables.columns import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fold, Rows, View


@dataclass(frozen=True)
class Mean(Aggregate):
    """The arithmetic mean of the values that are not null, a float."""

    kind: ClassVar[str] = "mean"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain mean and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return the columns of an exact sum, and a counter."""
        return {"n": Fixed("<i8"), **sum_columns()}

    def fold(self, state: View, fold: Fold) -> None:
        """Add and count the batch's values."""
        state["n"][fold.rows] += fold_sum(state, fold)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the sums and the counts."""
        into["n"][rows] += other["n"][others]
        merge_sum(into, rows, other, others)

    def result(self, state: View, rows: Rows) -> Column:
        """Return the means, floats; null where no value was seen or the sum overflowed."""
        n = state["n"][rows]
        means = total(state, rows) / np.maximum(n, 1)
        null = (n == 0) | ~np.isfinite(means)
        return Column("float", np.where(null, 0.0, means), null) if null.any() else Column("float", means)


def mean(of: str, *, where: str | None = None) -> Mean:
    """Average an expression's values: `mean("duration")`.

    Args:
        of: expression whose values are averaged; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Mean(of, where=where)
