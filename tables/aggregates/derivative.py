"""`derivative("x")`: how much x rises per second, by least squares; null unless there are two times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import all_floats, float_column, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Column

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Piece = dict[str, NDArray[Any]]

_MS = 1000.0


@dataclass(frozen=True)
class Derivative(Aggregate):
    """The slope of the straight line with the least squared distances from the values that are not null, per second.

    Kept are the means of time and value and the sums of the products of the distances from them, so that nothing
    cancels (as in Chan, Golub, LeVeque 1979, for covariances). Times are counted from the `origin`, one event's time,
    since floats hold the ms of an epoch only to a quarter. Integers beyond 2^53 are rounded to floats.
    """

    kind: ClassVar[str] = "derivative"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return count, origin, means of time and value, sums of squares of times and of products."""
        numbers = {name: Fixed("<f8") for name in ("time", "value", "squares", "products")}
        return {"n": Fixed("<i8"), "origin": Fixed("<i8"), **numbers}

    def fold(self, state: View, fold: Fold) -> None:
        """Add the batch's sums to those of the rows it touches."""
        mask = None if fold.values is None else present(fold.values)
        index, time, values = fold.index, fold.time, all_floats(fold)
        if mask is not None:
            index, time, values = index[mask], time[mask], values[mask]
        if len(values):
            _store(state, fold.rows, _merged(_load(state, fold.rows), _of_batch(index, time, values, len(fold.rows))))

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the sums."""
        _store(into, rows, _merged(_load(into, rows), _load(other, others)))

    def result(self, state: View, rows: Rows) -> Column:
        """Return the slopes, floats; null where all values are of one time, or a sum overflowed."""
        squares = state["squares"][rows]
        null = squares <= 0
        with np.errstate(all="ignore"):
            return float_column(state["products"][rows] / np.where(null, 1.0, squares) * _MS, null)


def _of_batch(index: Rows, time: Ints, values: Floats, m: int) -> Piece:
    """Return the sums of each of `m` groups; `index` names the group."""
    n = np.bincount(index, minlength=m)
    origin = np.zeros(m, np.int64)
    origin[index] = time
    count = np.maximum(n, 1)
    since = (time - origin[index]).astype(np.float64)
    with np.errstate(all="ignore"):
        means = np.bincount(index, since, m) / count, np.bincount(index, values, m) / count
        since, apart = since - means[0][index], values - means[1][index]
        products = np.bincount(index, since * apart, m)
    squares = np.bincount(index, since * since, m)
    return {
        "n": n, "origin": origin, "time": means[0], "value": means[1], "squares": squares, "products": products,
    }  # fmt: skip


def _merged(one: Piece, other: Piece) -> Piece:
    """Return the sums of both pieces together; those of a piece alone are unchanged to the last bit."""
    n, n2 = one["n"], other["n"]
    total = np.maximum(n + n2, 1)
    with np.errstate(all="ignore"):
        later = (other["origin"] - one["origin"]) + other["time"] - one["time"]
        higher = other["value"] - one["value"]
        both = {
            "n": n + n2,
            "origin": one["origin"],
            "time": one["time"] + later * (n2 / total),
            "value": one["value"] + higher * (n2 / total),
            "squares": one["squares"] + other["squares"] + later * later * (n * (n2 / total)),
            "products": one["products"] + other["products"] + later * (higher * (n * (n2 / total))),
        }
    return {name: np.where(n2 == 0, one[name], np.where(n == 0, other[name], both[name])) for name in both}


def _load(state: View, rows: Rows) -> Piece:
    return {name: state[name][rows] for name in ("n", "origin", "time", "value", "squares", "products")}


def _store(state: View, rows: Rows, piece: Piece) -> None:
    for name, values in piece.items():
        state[name][rows] = values


def derivative(of: str, *, where: str | None = None) -> Derivative:
    """Tell how fast a gauge rises per second, by least squares, as Prometheus' `deriv`: `derivative("used_bytes")`.

    Args:
        of: expression whose values are taken; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Derivative(of, where=where)
