"""What min and max have in common: one extreme of the integers, one of the floats, so that both stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables import fast
from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import number_column, split
from tables.columns import Column
from tables.reductions import every, some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Mask

_LIMIT = 2.0**63


@dataclass(frozen=True)
class Extreme(Aggregate):
    """The least or the greatest of the values that are not null; of 5 and 5.0, which are equal, it is the integer."""

    choose: ClassVar[np.ufunc]
    """`np.minimum` or `np.maximum`."""
    whole: ClassVar[int]
    """The integer that loses against any other."""
    real: ClassVar[float]
    """The float that loses against any other."""

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return the extreme of the integers and whether there are any, and that of the floats, infinite if none."""
        return {"whole": Fixed("<i8", self.whole), "real": Fixed("<f8", self.real), "any_whole": Fixed("?", zero=False)}

    def fold(self, state: View, fold: Fold) -> None:
        """Compare the batch's values with what was seen."""
        (whole_index, whole), (real_index, real) = split(fold)
        rows, m = fold.rows, len(fold.rows)
        if len(whole):
            state["whole"][rows] = self.choose(state["whole"][rows], self._at(whole_index, whole, m, self.whole))
            state["any_whole"][rows] |= np.bincount(whole_index, minlength=m) > 0
        if len(real):
            self._fold_floats(state["real"], rows, real_index, real)

    def _fold_floats(self, state: NDArray[np.float64], rows: Rows, index: Rows, values: NDArray[np.float64]) -> None:
        """Compare finite floats with those of the rows; adding 0.0 makes -0.0 and 0.0 one value, whatever the order."""
        if (loops := fast.kernels()) is not None:
            loops.fold_extremes(state, rows, index, values, self.choose is np.minimum)
        else:
            state[rows] = self.choose(state[rows], self._at(index, values, len(rows), self.real)) + 0.0

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Compare the extremes."""
        into["whole"][rows] = self.choose(into["whole"][rows], other["whole"][others])
        into["real"][rows] = self.choose(into["real"][rows], other["real"][others])
        into["any_whole"][rows] |= other["any_whole"][others]

    def result(self, state: View, rows: Rows) -> Column:
        """Return the extremes, integers where an integer won; null where no value was seen."""
        whole, real, any_whole = state["whole"][rows], state["real"][rows], state["any_whole"][rows]
        any_real = real != self.real
        if every(any_real) and not some(any_whole):
            return Column("float", real)
        is_real = any_real & (~any_whole | self._beats(real, whole))
        return number_column(whole, real, is_real, ~any_whole & ~any_real)

    def _at(self, index: Rows, values: NDArray[Any], m: int, loser: float) -> NDArray[Any]:
        """Return the extreme of the values of each of `m` groups."""
        found = np.empty(m, values.dtype)
        found.fill(loser)
        self.choose.at(found, index, values)
        return found

    def _beats(self, real: NDArray[np.float64], whole: NDArray[np.int64]) -> Mask:
        """Return where the float is strictly more extreme than the integer, without rounding the integer."""
        least = self.choose is np.minimum
        # x < i is floor(x) < i for fractions too, and x > i is ceil(x) > i; the clipped float fits into 64 bits.
        near = np.floor(real) if least else np.ceil(real)
        inside = np.clip(near, -_LIMIT, np.nextafter(_LIMIT, 0.0)).astype(np.int64)
        above = near >= _LIMIT
        mask: Mask = ((inside < whole) & ~above) | (near < -_LIMIT) if least else (inside > whole) | above
        return mask
