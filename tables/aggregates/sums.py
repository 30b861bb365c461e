"""Sums that do not depend on how their terms are cut into batches: integers exactly, floats in double-double.

Float terms are cut at fixed bit positions, so that the parts add up without any rounding (error-free vector
transformation, Rump, Ogita, Oishi: Accurate floating-point summation, 2008, section 3), and the sums of the parts are
added to a running pair of floats by TwoSum (Knuth, The Art of Computer Programming, vol. 2, 4.2.2). Integers are kept
in two words of base 2^62, which holds up to 2^124.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables import fast
from tables.aggregates.base import Fixed
from tables.aggregates.numeric import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_BITS = 62
_LOW = (1 << _BITS) - 1
_HALF = 32
SAFE_EXPONENT = 1000
"""Terms so great that cutting them would overflow are added as they are."""


def sum_columns() -> Mapping[str, Fixed]:
    """Return the state columns of a sum: the integers' two words, the floats' pair, and whether a term was a float."""
    return {
        "high": Fixed("<i8"),
        "low": Fixed("<i8"),
        "real": Fixed("<f8"),
        "error": Fixed("<f8"),
        "is_real": Fixed("?", zero=False),
    }


def fold_sum(state: View, fold: Fold) -> Ints:
    """Add the batch's values to the sums of the rows it touches; return how many values each row got, shape (m,)."""
    (whole_index, whole), (real_index, real) = split(fold)
    m = len(fold.rows)
    counts = np.zeros(m, np.int64)
    if len(whole):
        add_integers(state, fold.rows, *integer_sums(whole_index, whole, m))
        counts += np.bincount(whole_index, minlength=m)
    if len(real):
        counts += _fold_floats(state, fold.rows, real_index, real)
    return counts


def _fold_floats(state: View, rows: Rows, index: Rows, values: Floats) -> Ints:
    """Add finite floats to the sums of the rows; return how many each row got."""
    if (loops := fast.kernels()) is not None:
        return loops.fold_floats(state["real"], state["error"], state["is_real"], rows, index, values)  # type: ignore[no-any-return]
    found = np.bincount(index, minlength=len(rows))
    add_floats(state, rows, *float_sums(index, values, len(rows)))
    state["is_real"][rows] |= found > 0
    return found


def merge_sum(into: View, rows: Rows, other: View, others: Rows) -> None:
    """Add other rows' sums to these rows' sums."""
    add_integers(into, rows, other["high"][others], other["low"][others])
    add_floats(into, rows, other["real"][others], other["error"][others])
    into["is_real"][rows] |= other["is_real"][others]


def total(state: View, rows: Rows) -> Floats:
    """Return the sums of all terms, rounded to the nearest float; not finite where they overflow."""
    high, low = state["high"][rows], state["low"][rows]
    real, error = state["real"][rows], state["error"][rows]
    with np.errstate(all="ignore"):
        if not (np.count_nonzero(high) or np.count_nonzero(low)):
            return np.asarray(real + 0.0 + error)
        whole = (np.ldexp(high.astype(np.float64), _BITS), (low >> _HALF) * 2.0**_HALF, low & ((1 << _HALF) - 1))
        for term in whole:
            real, error = _two_sum(real, term.astype(np.float64), error)
        return np.asarray(real + error)


def integers(state: View, rows: Rows) -> tuple[Ints, list[tuple[int, int]]]:
    """Return the sums of the integer terms, and (position, sum) of those that do not fit into 64 bits."""
    high, low = state["high"][rows], state["low"][rows]
    wide = np.flatnonzero((high < -2) | (high > 1))  # noqa: PLR2004 - [-2, 1] * 2^62 is the range of int64
    great = [(row, (int(high[row]) << _BITS) + int(low[row])) for row in wide.tolist()]
    high[wide] = 0
    return (high << _BITS) + low, great


def integer_sums(index: Rows, values: Ints, m: int) -> tuple[Ints, Ints]:
    """Return the exact sum of the values of each of `m` groups as (high, low) words; `index` names the group."""
    if max(-int(values.min()), int(values.max())) * len(values) < 1 << _BITS:
        sums = _add_at(index, values, m)
        return sums >> _BITS, sums & _LOW
    upper, lower = _add_at(index, values >> _HALF, m), _add_at(index, values & ((1 << _HALF) - 1), m)
    low = ((upper & ((1 << (_BITS - _HALF)) - 1)) << _HALF) + lower
    return (upper >> (_BITS - _HALF)) + (low >> _BITS), low & _LOW


def float_sums(index: Rows, values: Floats, m: int) -> tuple[Floats, Floats]:
    """Return the sum of the values of each of `m` groups as a pair (real, error); `index` names the group.

    The leading bits of the terms are added exactly, twice, cut at positions that follow from the group's greatest term;
    what is left, less than 2^-70 of that in batches of up to 100,000, is added as it is.
    """
    greatest = np.zeros(m)
    np.maximum.at(greatest, index, np.abs(values))
    bits = len(values).bit_length() + 1
    exponent = np.frexp(greatest)[1] + bits
    cut = np.where(exponent > SAFE_EXPONENT, 0.0, np.ldexp(1.0, np.minimum(exponent, SAFE_EXPONENT)))[index]
    first = (cut + values) - cut
    rest = values - first
    cut *= 2.0 ** (bits - 53)
    second = (cut + rest) - cut
    return _two_sum(*(np.bincount(index, part, m).astype(np.float64) for part in (first, second, rest - second)))


def add_integers(state: View, rows: Rows, high: Ints, low: Ints) -> None:
    """Add (high, low) words, shape (m,), to the sums of the rows."""
    lows = state["low"][rows] + low
    state["high"][rows] += high + (lows >> _BITS)
    state["low"][rows] = lows & _LOW


def add_floats(state: View, rows: Rows, term: Floats, error: Floats) -> None:
    """Add `term + error`, shape (m,), to the float sums of the rows; a sum that overflows stays not finite."""
    with np.errstate(all="ignore"):
        real, low = _two_sum(state["real"][rows], term, state["error"][rows] + error)
        state["real"][rows] = real + low
        state["error"][rows] = low - ((real + low) - real)


def _two_sum(a: Floats, b: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Return the rounded sum of `a` and `b`, and `error` plus what the rounding lost."""
    with np.errstate(all="ignore"):
        rounded = a + b
        part = rounded - a
        return rounded, error + ((a - (rounded - part)) + (b - part))


def _add_at(index: Rows, values: Ints, m: int) -> Ints:
    """Return the sum of the values of each of `m` groups in 64 bits."""
    sums = np.zeros(m, np.int64)
    np.add.at(sums, index, values)
    return sums
