"""Float sums in a pair; the twins of what `tables.aggregates.sums.fold_sum` does without them, to the last bit."""

from __future__ import annotations

import math

import numpy as np

from tables.aggregates.sums import SAFE_EXPONENT
from tables.fast.loop import allocating, part


@part
def _two_sum(a, b, error):
    """Return the rounded sum of `a` and `b`, and `error` plus what the rounding lost."""
    rounded = a + b
    part = rounded - a
    return rounded, error + ((a - (rounded - part)) + (b - part))


@allocating
def float_sums(index, values, m):
    """Return the sum of the values of each of `m` groups as a pair (real, error).

    Args:
        index: shape (n,) intp, the group of each value.
        values: shape (n,) float64, finite.
        m: number of groups.
    """
    n, bits = len(values), 1
    while n:
        n, bits = n >> 1, bits + 1
    cuts, parts = np.zeros(m), np.zeros((3, m))
    for at in range(len(values)):
        cuts[index[at]] = max(cuts[index[at]], abs(values[at]))
    for group in range(m):
        exponent = math.frexp(cuts[group])[1] + bits
        cuts[group] = 0.0 if exponent > SAFE_EXPONENT else math.ldexp(1.0, exponent)
    finer = math.ldexp(1.0, bits - 53)
    for at in range(len(values)):
        group, value = index[at], values[at]
        cut = cuts[group]
        first = (cut + value) - cut
        rest = value - first
        cut *= finer
        second = (cut + rest) - cut
        parts[0, group] += first
        parts[1, group] += second
        parts[2, group] += rest - second
    for group in range(m):
        parts[0, group], parts[1, group] = _two_sum(parts[0, group], parts[1, group], parts[2, group])
    return parts[0], parts[1]


@allocating
def fold_floats(reals, errors, are_real, rows, index, values):
    """Add values to the sums of the rows, in place, and return how many each row got.

    Args:
        reals: float64, by row: the sum.
        errors: float64, by row: what rounding took from it.
        are_real: bool, by row: whether any term was a float.
        rows: shape (m,) intp, unique.
        index: shape (n,) intp, the position in `rows` of each value.
        values: shape (n,) float64, finite.
    """
    counts = np.zeros(len(rows), np.int64)
    for at in range(len(index)):
        counts[index[at]] += 1
    terms, rests = float_sums(index, values, len(rows))
    for at in range(len(rows)):
        row = rows[at]
        rounded, low = _two_sum(reals[row], terms[at], errors[row] + rests[at])
        reals[row] = rounded + low
        errors[row] = low - ((rounded + low) - rounded)
        are_real[row] |= counts[at] > 0
    return counts
