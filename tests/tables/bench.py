"""What the tests of aggregates share: events in plain Python, and the arrays they are folded as."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tables.aggregates.base import Bounds, Fold
from tables.columns import Column
from tables.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tables.aggregates.base import Aggregate


WINDOW = (-6, 5)
"""Start and end of the window that the events of the laws lie in, ms."""


def exact(value: float) -> int | Fraction:
    """Return a number as a rational one; whole ones as integers, which are added much faster."""
    return int(value) if isinstance(value, int) or value.is_integer() else Fraction(value)


class Event(NamedTuple):
    """One row of input: the cell it belongs to, its value, when and where it came, and the number to choose it by."""

    cell: int
    value: Any
    time: int = 0
    offset: int = 0
    by: Any = 1


class Bench:
    """One aggregate's state over a few cells, driven by events.

    Args:
        aggregate: what is tested.
        kind: of the value column.
        cells: number of cells; each has a state row, in descending order.
        window: start and end of the window that all cells are of.
    """

    def __init__(self, aggregate: Aggregate, kind: str, cells: int = 4, window: tuple[int, int] = WINDOW) -> None:
        """Allocate the rows."""
        self.window = window
        self.aggregate, self.kind = aggregate, kind
        self.state = State({"a": aggregate.columns()})
        self.rows = self.state.allocate(cells)[::-1].copy()

    def fold(self, events: Sequence[Event], cuts: Sequence[int] = ()) -> Bench:
        """Fold the events in batches that are cut at these positions; empty batches are folded too."""
        edges = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
        for start, end in pairwise(edges):
            self._batch(events[start:end])
        return self

    def _batch(self, events: Sequence[Event]) -> None:
        """Fold one batch; its rows are in the order in which they are met, and cell 0 is among them, met or not."""
        cells = list(dict.fromkeys([*(event.cell for event in events), 0]))
        index = np.array([cells.index(event.cell) for event in events], np.intp)
        times = np.array([event.time for event in events], np.int64)
        offsets = np.array([event.offset for event in events], np.int64)
        values = column(self.kind, [event.value for event in events]) if self.aggregate.of else None
        by = column("mixed", [event.by for event in events]) if "by" in self.aggregate.expressions else None
        rows = self.rows[np.array(cells, np.intp)]
        self.aggregate.fold(self.state.of("a"), Fold(rows, index, values, times, offsets, by))

    def merge(self, other: Bench) -> Bench:
        """Merge all of the other's cells into these."""
        self.aggregate.merge(self.state.of("a"), self.rows, other.state.of("a"), other.rows)
        return self

    def results(self) -> list[Any]:
        """Return the results in the order of the cells."""
        bounds = Bounds.same(*self.window, len(self.rows))
        return self.aggregate.result_within(self.state.of("a"), self.rows, bounds).tolist()


def column(kind: str, values: Sequence[Any]) -> Column:
    """Return the column that holds these values; None is null."""
    null = np.array([value is None for value in values], bool)
    absent = null if null.any() else None
    if kind == "mixed":
        integer = np.array([type(value) is int for value in values], bool)
        ints = np.array([value if type(value) is int else 0 for value in values], np.int64)
        floats = np.array([value if type(value) is float else 0.0 for value in values], np.float64)
        return Column("mixed", floats, absent, ints, integer)
    filler, dtype = {"int": (0, np.int64), "float": (0.0, np.float64), "bool": (False, bool)}.get(kind, (None, object))
    array = np.empty(len(values), dtype)
    array[:] = [("" if kind == "text" else filler) if value is None else value for value in values]
    return Column(kind, array, absent)
