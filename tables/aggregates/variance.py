"""`variance("x")`: the population variance of x; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.moments import Spread
from tables.aggregates.numeric import float_column

if TYPE_CHECKING:
    from tables.aggregates.base import Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Variance(Spread):
    """The mean squared distance from the mean, as Prometheus' `stdvar_over_time`: of one value it is 0."""

    kind: ClassVar[str] = "variance"

    def result(self, state: View, rows: Rows) -> Column:
        """Return the variances, floats; null where no value was seen or the result is beyond 1.8e308."""
        with np.errstate(over="ignore"):
            return float_column(state["deviation"][rows] ** 2, state["n"][rows] == 0)


def variance(of: str, *, where: str | None = None) -> Variance:
    """Compute the population variance of an expression's values: `variance("duration")`.

    Args:
        of: expression whose values are taken; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Variance(of, where=where)
