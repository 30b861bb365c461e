"""`sum("x")`: an integer as long as every x was one, else a float; 0 of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate
from tables.aggregates.numeric import number_column
from tables.aggregates.sums import fold_sum, integers, merge_sum, sum_columns, total
from tables.columns import Column
from tables.reductions import every

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fixed, Fold, Rows, View


@dataclass(frozen=True)
class Sum(Aggregate):
    """The sum of the values that are not null."""

    kind: ClassVar[str] = "sum"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain sum and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return the columns of an exact sum."""
        return sum_columns()

    def fold(self, state: View, fold: Fold) -> None:
        """Add the batch's values."""
        fold_sum(state, fold)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the sums."""
        merge_sum(into, rows, other, others)

    def result(self, state: View, rows: Rows) -> Column:
        """Return the sums: integers where only integers were added, else floats; null where a float sum overflowed.

        The column is of kind `any`, of Python values, if an integer sum among them does not fit into 64 bits.
        """
        is_real = state["is_real"][rows]
        real = total(state, rows)
        if every(is_real) and every(np.isfinite(real)):
            return Column("float", real)
        whole, great = integers(state, rows)
        column = number_column(whole, real, is_real, is_real & ~np.isfinite(real))
        great = [(row, value) for row, value in great if not is_real[row]]
        return _with_great(column, great) if great else column


def _with_great(column: Column, great: list[tuple[int, int]]) -> Column:
    """Return the column with Python integers at the given rows, which 64 bits cannot hold."""
    values = np.empty(len(column), object)
    values[:] = column.tolist()
    for row, value in great:
        values[row] = value
    return Column("any", values, column.null)


def sum(of: str, *, where: str | None = None) -> Sum:  # noqa: A001 - the word that a declaration uses
    """Add up an expression's values: `sum("bytes")`.

    Args:
        of: expression whose values are added; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Sum(of, where=where)
