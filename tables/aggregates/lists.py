"""What collect_list and collect_set have in common: the newest values in each cell, as many as `limit`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
import numpy as np

from tables.aggregates.base import Aggregate, Objects
from tables.aggregates.numeric import present
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fold, Needs, Rows, View
    from tables.columns import Mask

    Seen = list[Any]

MAX_LIMIT = 10_000
_SEEN_BYTES = 48
json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Collected(Aggregate):
    """The newest `limit` values that are not null, by event time, then offset, and then their JSON; the newest last.

    A cell keeps [time, offset, value] of each, in that order, as the newest of all are the newest of the newest of the
    parts: so batches and panes do not show.

    Args:
        of: expression whose values are collected.
        limit: most values of a cell; older ones are dropped.
        where: expression that a row must hold to count.
    """

    needs: ClassVar[Needs] = "any"
    gives: ClassVar[Literal["number", "of", "any"]] = "any"

    limit: int = field(default=100, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a limit that is none.

        Raises:
            ValueError: it is no whole number from 1 to 10,000.
        """
        super().__post_init__()
        if type(self.limit) is not int or not 1 <= self.limit <= MAX_LIMIT:
            raise ValueError(f"`limit` of {self.kind} is a whole number from 1 to {MAX_LIMIT}, not {self.limit!r}")

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one that holds all, and one that holds few, with a condition."""
        return cls("x"), cls("x", limit=3, where="x > 0")

    def columns(self) -> Mapping[str, Objects]:
        """Return the list of what was seen."""
        return {"seen": Objects(_SEEN_BYTES)}

    @abstractmethod
    def chosen(self, fold: Fold, events: Rows) -> tuple[Rows, list[Any]]:
        """Return those of the sorted events that may be kept, and the value of each."""

    @abstractmethod
    def union(self, one: list[Seen], other: list[Seen]) -> list[Seen]:
        """Return what is kept of two lists."""

    def fold(self, state: View, fold: Fold) -> None:
        """Add the batch's newest values to the lists of the rows it touches."""
        events, values = self.chosen(fold, sorted_events(fold))
        index, time, offset = fold.index[events], fold.time[events], fold.offset[events]
        kept = newest(index, time, offset, self.limit)
        values = [value for value, keep in zip(values, kept.tolist(), strict=True) if keep]
        seen = list(map(list, zip(time[kept].tolist(), offset[kept].tolist(), values, strict=True)))
        self._put(state, fold.rows[index[kept]], seen)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Join the lists."""
        lists = other["seen"][others].tolist()
        lengths = [len(seen or ()) for seen in lists]
        self._put(into, np.repeat(rows, lengths), [one for seen in lists for one in seen or ()])

    def result(self, state: View, rows: Rows) -> Column:
        """Return the lists of values; empty where no value was seen."""
        lists = state["seen"][rows].tolist()
        return Column("any", boxed([[one[2] for one in seen or ()] for seen in lists]))

    def _put(self, state: View, rows: Rows, seen: list[Seen]) -> None:
        """Add what was seen; `rows` has the state row of each, equal ones together."""
        starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1]))) if len(rows) else rows
        ends = [*starts[1:].tolist(), len(rows)]
        column = state["seen"]
        for row, start, end in zip(rows[starts].tolist(), starts.tolist(), ends, strict=False):
            column[row] = self.union(column[row] or [], seen[start:end])


def sorted_events(fold: Fold) -> Rows:
    """Return the positions of the events that have a value, by group, and within it by time and offset.

    Raises:
        TypeError: there are no values.
    """
    if fold.values is None:
        raise TypeError("a column of values is needed")
    mask = present(fold.values)
    events = np.arange(len(fold.index)) if mask is None else np.flatnonzero(mask)
    found: Rows = events[np.lexsort((fold.offset[events], fold.time[events], fold.index[events]))]
    return found


def newest(index: Rows, time: Rows, offset: Rows, limit: int) -> Mask:
    """Return which of the sorted events are among the `limit` newest of their group, or tie with the last of those."""
    after = np.searchsorted(index, index, "right")
    edge = np.maximum(np.searchsorted(index, index), after - limit)
    return np.asarray((time > time[edge]) | ((time == time[edge]) & (offset >= offset[edge])))


def order(seen: Seen) -> tuple[int, int, bytes]:
    """Return what the kept values of a cell are sorted by."""
    return seen[0], seen[1], json(seen[2])


def place(seen: Seen) -> Seen:
    """Return what the kept values of a cell are sorted by, but for ties."""
    return seen[:2]


def apart(seen: list[Seen]) -> bool:
    """Return whether times and offsets rise strictly, so that no tie is left."""
    if len(seen) < 2:  # noqa: PLR2004 - one ties with none
        return True
    places = [one[:2] for one in seen]
    return all(map(list.__lt__, places, places[1:]))
