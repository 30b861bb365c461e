"""`increase("x")`: how much a counter x rose, resets handled as in PromQL; null of fewer than two samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tables.aggregates.counters import Counter
from tables.aggregates.numeric import float_column

if TYPE_CHECKING:
    from tables.aggregates.base import Bounds, Rows, View
    from tables.columns import Column


@dataclass(frozen=True)
class Increase(Counter):
    """The last value less the first one, plus the value before each reset."""

    kind: ClassVar[str] = "increase"

    def result(self, state: View, rows: Rows) -> Column:
        """Return the increases, floats; null where there are fewer than two samples, or the sum overflowed."""
        found = self.increases(state, rows)
        return float_column(found.risen, found.null)

    def result_within(self, state: View, rows: Rows, bounds: Bounds) -> Column:
        """Return the increases, extrapolated to the bounds if it is declared so."""
        if not self.extrapolate:
            return self.result(state, rows)
        found = self.increases(state, rows)
        return float_column(found.extrapolated(bounds), found.null)


def increase(of: str, *, where: str | None = None, extrapolate: bool = False) -> Increase:
    """Tell how much a counter rose from its first to its last sample in the window: `increase("requests")`.

    Args:
        of: expression of the counter's value; nulls are left out.
        where: expression that a row must hold to count.
        extrapolate: whether to extrapolate to the ends of the window, as PromQL does; not without a window.
    """
    return Increase(of, where=where, extrapolate=extrapolate)
