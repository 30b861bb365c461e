"""The condition `expr`: an expression over the table's columns and key fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streams.rules.conditions.base import Condition
from tables.columns import Column

if TYPE_CHECKING:
    from streams.codecs.base import FieldType
    from streams.expr import Expression


class Expr(Condition):
    """Holds where the expression is true.

    Args:
        expr: the condition.
        value: what `$value` is; None if the condition compares nothing.
    """

    def __init__(self, expr: Expression, value: Expression | None) -> None:
        """Keep both."""
        self._expr, self._value = expr, value

    @property
    def uses(self) -> Mapping[str, FieldType]:
        """The columns and key fields that the expression reads; `$value` is a part of it."""
        return self._expr.uses

    def holds(self, columns: Mapping[str, Column], n: int) -> NDArray[np.bool_]:
        """Return where the expression is true."""
        return self._expr.holds(columns, n)

    def values(self, columns: Mapping[str, Column], n: int) -> list[Any]:
        """Return the left side of the first comparison."""
        return self._value.evaluate(columns, n).tolist() if self._value else [None] * n
