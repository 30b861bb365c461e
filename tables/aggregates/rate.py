"""`rate("x")`: how much a counter x rose per second, resets handled as in PromQL; null of fewer than two samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.counters import Counter
from tables.aggregates.numeric import float_column

if TYPE_CHECKING:
    from tables.aggregates.base import Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Rate(Counter):
    """The increase by the time from the first to the last sample, per second."""

    kind: ClassVar[str] = "rate"

    def result(self, state: View, rows: Rows) -> Column:
        """Return the rates, floats; null where there are fewer than two samples, or the sum overflowed."""
        risen, ms, null = self.increases(state, rows)
        with np.errstate(over="ignore"):
            return float_column(risen / (ms / 1000.0), null)


def rate(of: str, *, where: str | None = None) -> Rate:
    """Tell how fast a counter rose per second between its first and last sample in the window: `rate("requests")`.

    Args:
        of: expression of the counter's value; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Rate(of, where=where)
