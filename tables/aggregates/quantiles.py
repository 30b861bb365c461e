"""`quantiles([0.5, 0.95, 0.99], "x")`: several quantiles of one sketch, within 1 %; an object by q, null of nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tables.aggregates.sketch import Sketched, check_q
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tables.aggregates.base import Aggregate, Rows, View

_EXAMPLE = 'quantiles([0.5, 0.95], "duration")'


@dataclass(frozen=True, init=False)
class Quantiles(Sketched):
    """Several quantiles of the values that are not null: `{"0.5": 12.1, "0.99": 80.3}`.

    Args:
        qs: which ones, each from 0 to 1.
        of: expression whose values are counted.
        where: expression that a row must hold to count.
    """

    kind: ClassVar[str] = "quantiles"
    gives: ClassVar[Literal["number", "of", "any"]] = "any"

    qs: tuple[float, ...] = field(kw_only=True)

    def __init__(self, qs: tuple[float, ...], of: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: `qs` are no different numbers from 0 to 1, or `of` no expression.
        """
        given: object = qs
        if not isinstance(given, tuple) or not given:
            raise ValueError(f"quantiles takes a list of numbers from 0 to 1 first, not {qs!r}; write {_EXAMPLE}")
        for q in qs:
            check_q(self.kind, q, _EXAMPLE)
        if len(set(qs)) < len(qs):
            raise ValueError(f"quantiles takes each number once, not {list(qs)!r}")
        for name, value in (("qs", tuple(map(float, qs))), ("of", of), ("where", where)):
            object.__setattr__(self, name, value)
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one with several, and one with a condition."""
        return cls((0.0, 0.5, 1.0), "x"), cls((0.95,), "x", where="x > 0")

    def result(self, state: View, rows: Rows) -> Column:
        """Return objects of floats by q; null where no value was seen."""
        found = [self.quantile(state, rows, q) for q in self.qs]
        names = [repr(q).removesuffix(".0") for q in self.qs]
        items = zip(*(values.tolist() for values, _ in found), strict=True)
        null = np.array(found[0][1])
        return Column(
            "any", boxed([dict(zip(names, item, strict=True)) for item in items]), null if null.any() else None
        )


def quantiles(qs: Sequence[float], of: str, *, where: str | None = None) -> Quantiles:
    """Estimate several quantiles of an expression's values within 1 %: `quantiles([0.5, 0.95], "duration")`.

    Args:
        qs: which ones, from 0 to 1.
        of: expression whose values are counted; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Quantiles(tuple(qs) if isinstance(qs, list) else qs, of, where=where)  # type: ignore[arg-type]
