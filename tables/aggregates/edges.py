"""What first, last, min_by and max_by have in common: the value of the one event that comes last in some order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tables.aggregates.base import Aggregate, Fixed, Objects
from tables.aggregates.numeric import number_column, present
from tables.aggregates.order import NEVER, json_order, later, one_each, tied_last
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Needs, Rows, View
    from tables.columns import Kind, Mask

_WORD = range(-(1 << 63), 1 << 63)
_KINDS: dict[type, Kind] = {str: "text", bool: "bool"}


@dataclass(frozen=True)
class Edge(Aggregate):
    """The value, other than null, of the event that comes last; of several that tie, that whose JSON does."""

    needs: ClassVar[Needs] = "any"
    gives: ClassVar[Literal["number", "of", "any"]] = "of"
    sign: ClassVar[int] = 1
    """-1 turns the order round: the event that comes first. Orders are kept times `sign`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The state columns that events are ordered by, the first one first."""
        return ("time", "offset")

    def columns(self) -> Mapping[str, Fixed | Objects]:
        """Return the value, and the time and offset that it came with."""
        return {"time": Fixed("<i8", NEVER), "offset": Fixed("<i8", NEVER), "value": Objects()}

    def orders(self, fold: Fold) -> dict[str, NDArray[Any]]:
        """Return what the batch's events are ordered by, by state column, shape (n,) each."""
        return {"time": self.sign * fold.time, "offset": self.sign * fold.offset}

    def counted(self, fold: Fold) -> Mask | None:
        """Return which of the batch's events count; None for all."""
        if fold.values is None:
            raise TypeError(f"{self.kind} needs a column of values")
        return present(fold.values)

    def fold(self, state: View, fold: Fold) -> None:
        """Find the batch's last event for each state row, and take its value if it comes after the known one."""
        mask, m = self.counted(fold), len(fold.rows)
        events = np.arange(len(fold.index)) if mask is None else np.flatnonzero(mask)
        orders = self.orders(fold)
        events = tied_last(events, fold.index, m, *(orders[name] for name in self.names))
        # What is still tied differs in nothing but its value, and is taken one round after the other.
        while len(events) and fold.values is not None:
            at = one_each(events, fold.index, m)
            values = boxed(fold.values.take(at).tolist())
            self._take(state, fold.rows[fold.index[at]], {name: order[at] for name, order in orders.items()}, values)
            events = events[:0] if len(at) == len(events) else np.setdiff1d(events, at)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Take what comes later."""
        orders = {name: other[name][others] for name in self.columns() if name != "value"}
        self._take(into, rows, orders, other["value"][others])

    def result(self, state: View, rows: Rows) -> Column:
        """Return the values; the column's kind is what they are."""
        return column_of(state["value"][rows])

    def _take(self, state: View, rows: Rows, orders: Mapping[str, NDArray[Any]], values: NDArray[Any]) -> None:
        """Replace the values of the rows (unique) after which these, shape (m,), come."""
        after, tied = later(state, rows, self.names, tuple(orders[name] for name in self.names))
        for row in np.flatnonzero(tied).tolist():
            after[row] = json_order(values[row]) > json_order(state["value"][rows[row]])
        chosen = rows[after]
        for name, order in orders.items():
            state[name][chosen] = order[after]
        state["value"][chosen] = values[after]


def column_of(values: NDArray[Any]) -> Column:
    """Return the column, of the narrowest kind, of Python values in an object array; None is null."""
    items = values.tolist()
    null = np.fromiter((item is None for item in items), bool, len(items))
    absent = null if null.any() else None
    types = {type(item) for item in items} - {type(None)}
    if types and types <= {int, float}:
        real = np.fromiter((type(item) is float for item in items), bool, len(items))
        if all(type(item) is float or item is None or item in _WORD for item in items):
            whole = np.fromiter((item if type(item) is int else 0 for item in items), np.int64, len(items))
            floats = np.fromiter((item if type(item) is float else 0.0 for item in items), np.float64, len(items))
            return number_column(whole, floats, real, absent)
    kind = _KINDS.get(next(iter(types)), "any") if len(types) == 1 else "any"
    if kind == "bool":
        return Column(kind, np.fromiter((bool(item) for item in items), bool, len(items)), absent)
    if kind == "text" and absent is not None:
        values = boxed(["" if item is None else item for item in items])
    return Column(kind, values, absent)
