"""What increase and rate have in common: the samples of a counter in the order of time, with its resets.

As in PromQL, a value below the one before it means that the counter began again from 0: the increase is the last value
less the first, plus the value before each reset. That depends on every pair of neighbours, and rows come out of order:
so a cell keeps its samples. Beyond `MAX_SAMPLES` the first and the newest `KEPT` stay, and what the resets between them
add is kept as one number; that is exact for all rows that are not late by more than `KEPT` samples of their own cell,
and for panes that follow one another, which are merged in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tables.aggregates.base import Aggregate, Fixed, Ragged
from tables.aggregates.numeric import all_floats, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Bounds, Fold, Rows, View

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

    Integers beyond 2^53 are rounded to floats.

    Args:
        of: expression of the counter's value.
        where: expression that a row must hold to count.
        extrapolate: whether the increase is extrapolated to the ends of the window, as PromQL does.
    """

    extrapolate: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse an `extrapolate` that is neither true nor false.

        Raises:
            ValueError: it is something else.
        """
        super().__post_init__()
        if type(self.extrapolate) is not bool:
            raise ValueError(f"`extrapolate` of {self.kind} is true or false, not {self.extrapolate!r}")

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one, one with a condition and one that extrapolates."""
        return cls("x"), cls("x", where="x > 0"), cls("x", extrapolate=True)

    @property
    def needs_window(self) -> bool:
        """Whether it extrapolates to the ends of the window."""
        return self.extrapolate

    def columns(self) -> Mapping[str, Fixed | Ragged]:
        """Return the samples, the values before resets that are no longer among them, and, to extrapolate, how many."""
        kept: dict[str, Fixed | Ragged] = {"samples": Ragged(_SAMPLE), "dropped": Fixed("<f8")}
        return {**kept, "left_out": Fixed("<i8")} if self.extrapolate else kept

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
        if self.extrapolate:
            into["left_out"][rows] += other["left_out"][others]
        _add(into, rows, np.repeat(np.arange(len(rows)), lengths), samples["time"], samples["value"])

    def increases(self, state: View, rows: Rows) -> Increases:
        """Return what the counters of m rows did between their first and their last sample."""
        samples, lengths = state["samples"].gather(rows)
        null = lengths < 2  # noqa: PLR2004 - an increase takes two
        if not len(samples):
            none = np.zeros(len(rows), samples.dtype)
            return Increases(np.zeros(len(rows)), none, none, lengths, null)
        end = np.cumsum(lengths)
        first = samples[np.where(null, 0, end - lengths)]
        last = samples[np.where(null, 0, end - 1)]
        with np.errstate(all="ignore"):
            resets = state["dropped"][rows] + _resets(samples["value"], lengths)
            risen = last["value"] - first["value"] + resets
        count = lengths + state["left_out"][rows] if self.extrapolate else lengths
        return Increases(risen, first, last, count, null)


@dataclass(frozen=True)
class Increases:
    """What m counters did between their first and their last sample.

    Args:
        risen: shape (m,), the increase.
        first: shape (m,), the first sample, `time` (ms) and `value`; anything where there are fewer than two.
        last: shape (m,), the last one.
        count: shape (m,), the number of samples.
        null: shape (m,), where there are fewer than two.
    """

    risen: Floats
    first: NDArray[Any]
    last: NDArray[Any]
    count: Ints
    null: NDArray[np.bool_]

    @property
    def seconds(self) -> Floats:
        """The seconds from the first to the last sample; 1 where there are fewer than two."""
        return np.where(self.null, 1000, self.last["time"] - self.first["time"]) / 1000.0

    def extrapolated(self, bounds: Bounds) -> Floats:
        """Return the increases of whole windows, as `extrapolatedRate` of Prometheus 3 (promql/functions.go) has them.

        To each end of the window, unless that is 1.1 average distances of two samples away or more: then by half such
        a distance, for the counter begins or ends in the window. Never back to where it would be below zero.
        """
        sampled, value = self.seconds, self.first["value"]
        average = sampled / np.maximum(self.count - 1, 1)
        start = _reached((self.first["time"] - bounds.start) / 1000.0, average)
        end = _reached((bounds.end - self.last["time"]) / 1000.0, average)
        with np.errstate(all="ignore"):
            zero = np.where((self.risen > 0) & (value >= 0), sampled * (value / self.risen), start)
            return self.risen * ((sampled + np.minimum(start, zero) + end) / sampled)


def _reached(distance: Floats, average: Floats) -> Floats:
    """Return by how many seconds to extrapolate to ends of windows that are so many seconds away."""
    return np.where(distance >= average * 1.1, average / 2, distance)


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
    if "left_out" in state:
        state["left_out"][rows] += excess
    with np.errstate(all="ignore"):
        state["dropped"][rows] += before - _resets(samples["value"], lengths)
    return samples, lengths


def _resets(values: Floats, lengths: Ints) -> Floats:
    """Return for each row the sum of the values that are followed by a smaller one."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    reset = np.flatnonzero((values[1:] < values[:-1]) & (owner[1:] == owner[:-1]))
    return np.bincount(owner[reset], values[reset], len(lengths)).astype(np.float64)
