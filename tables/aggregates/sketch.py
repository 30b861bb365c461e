"""The sketch behind quantile and quantiles: counts in buckets of equal relative width.

It is a DDSketch (Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with relative-error
guarantees, VLDB 2019): bucket i counts the values in (g^(i-1), g^i] with g = (1 + a) / (1 - a), and stands for
2 g^i / (g + 1), which is within a of all of them. Negative values have buckets of their own, and 0 has one, which also
takes what is nearer to it than the least normal float (2.2e-308).

A quantile is the value at rank floor(q (n - 1)), counted from 0, of the n sorted values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tables import fast
from tables.aggregates.base import Aggregate, Ragged
from tables.aggregates.numeric import floats
from tables.reductions import every

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Mask
    from tables.ragged import RaggedColumn

    Ints = NDArray[np.int64]

RELATIVE_ERROR = 0.0099
"""The `a` of the sketch. It leaves room for the rounding of logarithms below the 1 % that is promised."""
MAX_BUCKETS = 2048
"""Most buckets a cell has: 17 decades, for positive values. Beyond, the lowest values share the lowest bucket that is
kept, so that low quantiles lose their bound, never high ones."""

_LOG = math.log1p(RELATIVE_ERROR) - math.log1p(-RELATIVE_ERROR)
_MIDDLE = math.log1p(-RELATIVE_ERROR)
_LEAST = np.finfo(np.float64).tiny
_GREATEST = np.finfo(np.float64).max
# An entry is one integer: the bucket's ordinal, which sorts as its values do, in 18 bits, above its count in 45 bits.
COUNT_BITS = 45
COUNT = (1 << COUNT_BITS) - 1
ORDINAL_BITS = 18
ORDINAL = (1 << ORDINAL_BITS) - 1
_ZERO = 1 << (ORDINAL_BITS - 1)
# Buckets of floats are numbered from log(2.2e-308) / _LOG, about -35,800, to 35,850: a shift parts the signs.
_SHIFT = 40_000


@dataclass(frozen=True)
class Sketched(Aggregate):
    """Keeps a sketch of the values that are not null."""

    def columns(self) -> Mapping[str, Ragged]:
        """Return the buckets."""
        return {"buckets": Ragged("<i8", COUNT_BITS)}

    def fold(self, state: View, fold: Fold) -> None:
        """Count the batch's values in their buckets."""
        index, values = floats(fold)
        if not len(values):
            return
        keys = (index << ORDINAL_BITS) | ordinals(values)
        keys.sort()
        if (loops := fast.kernels()) is not None:
            count_in(loops.count_in, state["buckets"], fold.rows, keys)
            return
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        add_counts(state["buckets"], fold.rows, keys[starts], np.diff(starts, append=len(keys)))

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the counts of equal buckets."""
        entries, lengths = other["buckets"].gather(others)
        if len(entries):
            add_counts(into["buckets"], rows, _keys(entries, lengths), entries & COUNT)

    def quantile(self, state: View, rows: Rows, q: float) -> tuple[NDArray[np.float64], Mask]:
        """Return the q-quantile of each of the rows, and where no value was seen, shape (m,) each."""
        entries, lengths = state["buckets"].gather(rows)
        null = lengths == 0
        filled = lengths[~null]
        before = np.concatenate(([0], (entries & COUNT).cumsum()))
        ends = filled.cumsum()
        base = before[ends - filled]
        rank = np.floor(q * (before[ends] - base - 1)).astype(np.int64)
        values = np.zeros(len(rows))
        values[~null] = midpoints(entries[before.searchsorted(base + rank, "right") - 1] >> COUNT_BITS)
        return values, null


def check_q(kind: str, q: Any, example: str) -> None:
    """Refuse what is no number from 0 to 1, with a hint for percents.

    Raises:
        ValueError: it is none.
    """
    number = isinstance(q, int | float) and not isinstance(q, bool)
    if not number or not 0 <= q <= 1:
        percent = number and 1 < q <= 100  # noqa: PLR2004 - as percents are written
        hint = f"did you mean {q / 100:g}?" if percent else f"write for example {example}"
        raise ValueError(f"{kind} takes a number from 0 to 1 first, not {q!r}; {hint}")


def ordinals(values: NDArray[np.float64]) -> Ints:
    """Return the ordinals of the buckets that the values fall into; they sort as the values do."""
    if every(values >= _LEAST):
        return np.ceil(np.log(values) / _LOG).astype(np.int64) + (_SHIFT + _ZERO)
    size = np.abs(values)
    zero = size < _LEAST
    shifted = (np.ceil(np.log(np.maximum(size, _LEAST)) / _LOG) + _SHIFT).astype(np.int64)
    signed = np.where(values < 0, -shifted, shifted)
    signed[zero] = 0
    return signed + _ZERO


def midpoints(ordinal: Ints) -> NDArray[np.float64]:
    """Return the value that each bucket stands for: off by at most `RELATIVE_ERROR` from any value in it."""
    signed = ordinal - _ZERO
    # 2 g^i / (g + 1) = g^i (1 - a), and g^i alone may overflow.
    size = np.exp(np.minimum((np.abs(signed) - _SHIFT) * _LOG + _MIDDLE, math.log(_GREATEST)))
    return np.where(signed == 0, 0.0, np.copysign(np.minimum(size, _GREATEST), signed))


def add_counts(buckets: RaggedColumn, rows: Rows, keys: Ints, counts: Ints) -> None:
    """Add counts to the buckets of the rows (unique, shape (m,)).

    Args:
        buckets: the entries of the rows, in the order of their ordinals.
        rows: what is changed.
        keys: position in `rows` above the bucket's ordinal, sorted and unique.
        counts: what to add, same length.
    """
    entries, lengths = buckets.gather(rows)
    known = _keys(entries, lengths)
    at = np.searchsorted(known, keys)
    new = known[np.minimum(at, len(known) - 1)] != keys if len(known) else np.ones(len(keys), bool)
    at += np.cumsum(new) - new
    added = keys[new]
    entries = _insert(entries, at[new], (added & ORDINAL) << COUNT_BITS)
    entries[at] += counts
    lengths = lengths + np.bincount(added >> ORDINAL_BITS, minlength=len(rows))
    if lengths.max() > MAX_BUCKETS:
        entries, lengths = _collapse(entries, lengths)
    buckets.replace(rows, entries, lengths)


def count_in(loop: Any, buckets: RaggedColumn, rows: Rows, keys: Ints) -> None:
    """Count keys in the buckets of the rows, as `add_counts` does, by the compiled loop.

    Args:
        loop: `tables.fast.buckets.count_in`.
        buckets: as `add_counts`.
        rows: as `add_counts`.
        keys: as `add_counts`, each as often as it counts.
    """
    largest = buckets.rewrite(rows, len(keys), lambda *column: loop(*column[:3], rows, keys, column[3]))
    if largest > MAX_BUCKETS:
        buckets.replace(rows, *_collapse(*buckets.gather(rows)))


def _insert(entries: Ints, at: Ints, added: Ints) -> Ints:
    """Return the entries with others between them, which are at positions `at` (sorted, unique) of the result."""
    grown = np.empty(len(entries) + len(added), np.int64)
    old = np.ones(len(grown), bool)
    old[at] = False
    grown[old] = entries
    grown[at] = added
    return grown


def _keys(entries: Ints, lengths: Ints) -> Ints:
    """Return position of the row above ordinal of the bucket, for each entry."""
    rows: Ints = np.repeat(np.arange(len(lengths)) << ORDINAL_BITS, lengths)
    return rows | (entries >> COUNT_BITS)


def _collapse(entries: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """Return entries and lengths with at most `MAX_BUCKETS` a row: the lowest are counted in the lowest kept one."""
    excess = np.maximum(lengths - MAX_BUCKETS, 0)
    start = np.cumsum(lengths) - lengths
    place = np.arange(len(entries)) - np.repeat(start, lengths)
    dropped = place < np.repeat(excess, lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)[dropped]
    np.add.at(entries, (start + excess)[row], entries[dropped] & COUNT)
    return entries[~dropped], lengths - excess
