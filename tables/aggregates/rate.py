"""`rate("x")`: how much a counter x rose per second, resets handled as in PromQL; null of fewer than two samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.counters import Counter
from tables.aggregates.numeric import float_column

if TYPE_CHECKING:
    from tables.aggregates.base import Bounds, Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Rate(Counter):
    """The increase by the time from the first to the last sample, per second."""

    kind: ClassVar[str] = "rate"

    def result(self, state: View, rows: Rows) -> Column:
        """Return the rates, floats; null where there are fewer than two samples, or the sum overflowed."""
        found = self.increases(state, rows)
        with np.errstate(over="ignore"):
            return float_column(found.risen / found.seconds, found.null)

    def result_within(self, state: View, rows: Rows, bounds: Bounds) -> Column:
        """Return the rates; if it is declared so, the extrapolated increase by the seconds of the window."""
        if not self.extrapolate:
            return self.result(state, rows)
        found = self.increases(state, rows)
        with np.errstate(over="ignore"):
            return float_column(found.extrapolated(bounds) / ((bounds.end - bounds.start) / 1000.0), found.null)


def rate(of: str, *, where: str | None = None, extrapolate: bool = False) -> Rate:
    """Tell how fast a counter rose per second between its first and last sample in the window: `rate("requests")`.

    Args:
        of: expression of the counter's value; nulls are left out.
        where: expression that a row must hold to count.
        extrapolate: whether to extrapolate to the ends of the window, as PromQL does, and divide by its length; not
            without a window.
    """
    return Rate(of, where=where, extrapolate=extrapolate)
