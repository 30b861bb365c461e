"""`quantile(0.95, "x")`: the 95th percentile of x, within 1 % of the exact value; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from tables.aggregates.sketch import Sketched, check_q
from tables.columns import Column
from tables.reductions import some

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate, Rows, View


@dataclass(frozen=True, init=False)
class Quantile(Sketched):
    """The q-quantile of the values that are not null, a float.

    Args:
        q: which one, from 0 (the least) to 1 (the greatest).
        of: expression whose values are counted.
        where: expression that a row must hold to count.
    """

    kind: ClassVar[str] = "quantile"

    q: float = field(kw_only=True)

    def __init__(self, q: float, of: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: `q` is not from 0 to 1, or `of` is no expression.
        """
        check_q(self.kind, q, 'quantile(0.95, "duration")')
        for name, value in (("q", float(q)), ("of", of), ("where", where)):
            object.__setattr__(self, name, value)
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return the extremes, the median and a high percentile."""
        return cls(0.0, "x"), cls(0.5, "x"), cls(0.95, "x", where="x > 0"), cls(1.0, "x")

    def result(self, state: View, rows: Rows) -> Column:
        """Return the quantiles, floats; null where no value was seen."""
        values, null = self.quantile(state, rows, self.q)
        return Column("float", values, null if some(null) else None)


def quantile(q: float, of: str, *, where: str | None = None) -> Quantile:
    """Estimate a quantile of an expression's values within 1 %: `quantile(0.95, "duration")`.

    Args:
        q: which one, from 0 to 1.
        of: expression whose values are counted; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Quantile(q, of, where=where)
