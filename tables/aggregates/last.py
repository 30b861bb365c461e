"""`last("x")`: x of the row with the greatest event time, any value that JSON has; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
import numpy as np

from tables.aggregates.base import Aggregate, Fixed, Objects
from tables.aggregates.numeric import number_column, present
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows, View
    from tables.columns import Kind, Mask

_NEVER = -(1 << 63)
_WORD = range(-(1 << 63), 1 << 63)
_KINDS: dict[type, Kind] = {str: "text", bool: "bool"}


@dataclass(frozen=True)
class Last(Aggregate):
    """The value, other than null, with the greatest event time; among those of one time, with the greatest offset.

    Offsets are those of one input partition. Where several meet with equal time and offset, the value whose JSON sorts
    last wins, so that the order in which the inputs are read does not show.
    """

    kind: ClassVar[str] = "last"
    needs: ClassVar[Literal["number", "any", "nothing", "maybe"]] = "any"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a plain one and one with a condition."""
        return cls("x"), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed | Objects]:
        """Return the value, and the time and offset that it came with."""
        return {"time": Fixed("<i8", _NEVER), "offset": Fixed("<i8", _NEVER), "value": Objects()}

    def fold(self, state: View, fold: Fold) -> None:
        """Find the batch's last row for each state row, and take its value if it is later than the known one."""
        if fold.values is None:
            raise TypeError("last needs a column of values")
        mask = present(fold.values)
        events = np.arange(len(fold.index)) if mask is None else np.flatnonzero(mask)
        for order in (fold.time, fold.offset):
            events = _latest(events, fold.index[events], order[events], len(fold.rows))
        # What is still tied differs in nothing but its value, and is taken one round after the other.
        while len(events):
            targets, first = np.unique(fold.index[events], return_index=True)
            at = events[first]
            values = boxed(fold.values.take(at).tolist())
            _take(state, fold.rows[targets], fold.time[at], fold.offset[at], values)
            events = np.delete(events, first)

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Take what is later."""
        _take(into, rows, other["time"][others], other["offset"][others], other["value"][others])

    def result(self, state: View, rows: Rows) -> Column:
        """Return the values; the column's kind is what they are."""
        return column_of(state["value"][rows])


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


def _latest(events: Rows, index: Rows, order: NDArray[np.int64], m: int) -> Rows:
    """Return those of the events whose `order` is the greatest in their group; `index` names the group."""
    greatest = np.full(m, _NEVER, np.int64)
    np.maximum.at(greatest, index, order)
    found: Rows = events[order == greatest[index]]
    return found


def _take(state: View, rows: Rows, time: NDArray[np.int64], offset: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Replace the values of the rows (unique) for which these, shape (m,), are later."""
    known, at = state["time"][rows], state["offset"][rows]
    tied = (time == known) & (offset == at)
    later: Mask = (time > known) | ((time == known) & (offset > at))
    for row in np.flatnonzero(tied).tolist():
        later[row] = _json(values[row]) > _json(state["value"][rows[row]])
    chosen = rows[later]
    state["time"][chosen], state["offset"][chosen] = time[later], offset[later]
    state["value"][chosen] = values[later]


def _json(value: Any) -> bytes:
    """Return what a value sorts by among those of one time and offset; null sorts before all."""
    return b"" if value is None else msgspec.json.encode(value)


def last(of: str, *, where: str | None = None) -> Last:
    """Keep an expression's latest value by event time: `last("version")`.

    Args:
        of: expression whose values are taken, of any type; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Last(of, where=where)
