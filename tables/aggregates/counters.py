"""What increase and rate have in common: the samples of a counter in the order of time, with its resets.

As in PromQL, a value below the one before it means that the counter began again from 0: the increase is the last value
less the first, plus the value before each reset. That depends on every pair of neighbours, and rows come out of order:
so a cell keeps its samples. Beyond `MAX_SAMPLES` the first and the newest `KEPT` stay, and what the resets between them
add is kept as one number; that is exact for all rows that are not late by more than `KEPT` samples of their own cell,
and for panes that follow one another, which are merged in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tables.aggregates.base import Aggregate, Fixed, Ragged
from tables.aggregates.numeric import all_floats, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_SAMPLES = 512
"""Most samples of a cell, of 16 bytes each."""
KEPT = 256
_LIMIT = 1 << 62
_SAMPLE = (("time", "<i8"), ("value", "<f8"))


@dataclass(frozen=True)
class Counter(Aggregate):
    """Samples of a counter that are not null, one a ms: of several the greatest, which a counter reaches last.

    Integers beyond 2^53 are rounded to floats. Nothing is extrapolated to the ends of the window.
    """

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed | Ragged]:
        """Return the samples, and the values before resets that are no longer among them."""
        return {"samples": Ragged(_SAMPLE), "dropped": Fixed("<f8")}

    def fold(self, state: View, fold: Fold) -> None:
        """Put the batch's samples in their places."""
        mask = None if fold.values is None else present(fold.values)
        index, time, values = fold.index, fold.time, all_floats(fold)
        if mask is not None:
            index, time, values = index[mask], time[mask], values[mask]
        _add(state, fold.rows, index, time, values)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Put the other's samples in their places."""
        samples, lengths = other["samples"].gather(others)
        with np.errstate(all="ignore"):
            into["dropped"][rows] += other["dropped"][others]
        _add(into, rows, np.repeat(np.arange(len(rows)), lengths), samples["time"], samples["value"])

    def increases(self, state: View, rows: Rows) -> tuple[Floats, Ints, NDArray[np.bool_]]:
        """Return the increase, the ms from the first to the last sample, and where there are fewer than two."""
        samples, lengths = state["samples"].gather(rows)
        null = lengths < 2  # noqa: PLR2004 - an increase takes two
        end = np.cumsum(lengths)
        first, last = np.where(null, 0, end - lengths), np.where(null, 0, end - 1)
        if not len(samples):
            return np.zeros(len(rows)), np.ones(len(rows), np.int64), null
        with np.errstate(all="ignore"):
            resets = state["dropped"][rows] + _resets(samples["value"], lengths)
            risen = samples["value"][last] - samples["value"][first] + resets
        return risen, np.where(null, 1, samples["time"][last] - samples["time"][first]), null


def _add(state: View, rows: Rows, owner: Rows, time: Ints, values: Floats) -> None:
    """Put samples in their places among those of the rows (unique); `owner` names the position in `rows`."""
    if not len(time):
        return
    known, lengths = state["samples"].gather(rows)
    owners = np.repeat(np.arange(len(rows)), lengths)
    order, keys = _keys(len(rows), owners, known["time"], owner, time)
    arranged = np.argsort(keys, kind="stable")
    keys, time, values = keys[arranged], time[arranged], values[arranged]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    keys, time, values = keys[starts], time[starts], np.maximum.reduceat(values, starts)
    at = np.searchsorted(order, keys)
    new = order[np.minimum(at, len(order) - 1)] != keys if len(order) else np.ones(len(keys), bool)
    at += np.cumsum(new) - new
    samples = np.empty(len(known) + int(new.sum()), known.dtype)
    old = np.ones(len(samples), bool)
    old[at[new]] = False
    samples[old] = known
    samples["time"][at] = time
    samples["value"][at] = np.where(new, values, np.maximum(samples["value"][at], values))
    lengths = lengths + np.bincount(owner[arranged][starts][new], minlength=len(rows))
    if lengths.max() > MAX_SAMPLES:
        samples, lengths = _condensed(state, rows, samples, lengths)
    state["samples"].replace(rows, samples, lengths)


def _keys(m: int, owners: Rows, known: Ints, owner: Rows, time: Ints) -> tuple[Ints, Ints]:
    """Return integers that sort by owner and then by time, for the known samples and for the others."""
    least = min(int(time.min()), int(known.min(initial=int(time.min()))))
    span = max(int(time.max()), int(known.max(initial=int(time.max())))) - least + 1
    if m * span < _LIMIT:
        return owners * span + (known - least), owner * span + (time - least)
    ranks = np.unique(np.concatenate((known, time)), return_inverse=True)[1]
    span = int(ranks.max()) + 1
    return owners * span + ranks[: len(known)], owner * span + ranks[len(known) :]


def _condensed(state: View, rows: Rows, samples: NDArray[Any], lengths: Ints) -> tuple[NDArray[Any], Ints]:
    """Return samples and lengths with the first and the newest of rows that have too many."""
    before = _resets(samples["value"], lengths)
    excess = np.where(lengths > MAX_SAMPLES, lengths - KEPT - 1, 0)
    place = np.arange(len(samples)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    samples = samples[(place == 0) | (place > np.repeat(excess, lengths))]
    lengths = lengths - excess
    with np.errstate(all="ignore"):
        state["dropped"][rows] += before - _resets(samples["value"], lengths)
    return samples, lengths


def _resets(values: Floats, lengths: Ints) -> Floats:
    """Return for each row the sum of the values that are followed by a smaller one."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    reset = np.flatnonzero((values[1:] < values[:-1]) & (owner[1:] == owner[:-1]))
    return np.bincount(owner[reset], values[reset], len(lengths)).astype(np.float64)
