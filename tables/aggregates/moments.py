"""What variance and stddev have in common: count, mean and standard deviation, merged without cancellation.

Pieces are merged as in Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances
(1979); within a batch the variance is computed in two passes with the correction of the mean given there. The standard
deviation is kept in place of the sum of squares, so that values up to 1e300 do not overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View

    Floats = NDArray[np.float64]
    Moments = tuple[NDArray[Any], Floats, Floats]
    """Count, mean and population standard deviation of each row, shape (m,)."""

_GREAT = 1e150
"""Deviations beyond this are scaled before they are squared."""


@dataclass(frozen=True)
class Spread(Aggregate):
    """How far the values that are not null lie from their mean; integers beyond 2^53 are rounded to floats."""

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return count, mean and standard deviation."""
        return {"n": Fixed("<i8"), "mean": Fixed("<f8"), "deviation": Fixed("<f8")}

    def fold(self, state: View, fold: Fold) -> None:
        """Merge the batch's moments into those of the rows it touches."""
        index, values = floats(fold)
        if len(values):
            _store(state, fold.rows, _merged(_load(state, fold.rows), of_batch(index, values, len(fold.rows))))

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Merge the moments."""
        _store(into, rows, _merged(_load(into, rows), _load(other, others)))


def of_batch(index: Rows, values: Floats, m: int) -> Moments:
    """Return the moments of the values of each of `m` groups; `index` names the group."""
    n = np.bincount(index, minlength=m)
    count = np.maximum(n, 1)
    with np.errstate(all="ignore"):
        mean = np.bincount(index, values, m) / count
        apart = values - mean[index]
        scale = np.ones(m)
        if not np.abs(apart).max() < _GREAT:
            np.maximum.at(scale, index, np.abs(apart))
            apart = apart / scale[index]
        rest = np.bincount(index, apart, m) / count
        square = np.bincount(index, apart * apart, m) / count - rest * rest
        return n, mean + rest * scale, np.sqrt(np.maximum(square, 0.0)) * scale


def _merged(one: Moments, other: Moments) -> Moments:
    """Return the moments of both pieces together; those of a piece alone are unchanged to the last bit."""
    (n, mean, deviation), (n2, mean2, deviation2) = one, other
    total = np.maximum(n + n2, 1)
    share, share2 = n / total, n2 / total
    with np.errstate(all="ignore"):
        apart = mean2 - mean
        # Of two pieces that are equally far in the sum the order must not show.
        middle = np.where(n == n2, (mean + mean2) / 2, np.where(n > n2, mean + apart * share2, mean2 - apart * share))
        inner = np.hypot(np.sqrt(share) * deviation, np.sqrt(share2) * deviation2)
        spread = np.hypot(inner, np.sqrt(share * share2) * apart)
    only, only2 = n2 == 0, n == 0
    middle = np.where(only, mean, np.where(only2, mean2, middle))
    return n + n2, middle, np.where(only, deviation, np.where(only2, deviation2, spread))


def _load(state: View, rows: Rows) -> Moments:
    return state["n"][rows], state["mean"][rows], state["deviation"][rows]


def _store(state: View, rows: Rows, moments: Moments) -> None:
    state["n"][rows], state["mean"][rows], state["deviation"][rows] = moments
