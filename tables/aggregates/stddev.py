"""`stddev("x")`: the population standard deviation of x; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tables.aggregates.moments import Spread
from tables.aggregates.numeric import float_column

if TYPE_CHECKING:
    from tables.aggregates.base import Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Stddev(Spread):
    """The root of the mean squared distance from the mean, as Prometheus' `stddev_over_time`: of one value it is 0."""

    kind: ClassVar[str] = "stddev"

    def result(self, state: View, rows: Rows) -> Column:
        """Return the standard deviations, floats; null where no value was seen or the result is beyond 1.8e308."""
        return float_column(state["deviation"][rows], state["n"][rows] == 0)


def stddev(of: str, *, where: str | None = None) -> Stddev:
    """Compute the population standard deviation of an expression's values: `stddev("duration")`.

    Args:
        of: expression whose values are taken; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Stddev(of, where=where)
