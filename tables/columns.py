"""A column: the values of one field over the rows of one batch, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["int", "float", "mixed", "text", "bool", "any"]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Column:
    """Values of one field (or expression) over `n` rows.

    Args:
        kind: what the values are. `int`: int64; `float`: float64; `mixed`: float64 in `values`, and the rows whose
            value was written as an integer have it exactly in `ints` and True in `integer`; `bool`: bool;
            `text`: object array of str; `any`: object array of whatever JSON holds (used where no type is asked for).
        values: shape (n,). Where `null` is True the value is a filler (0, False, "" or None) and means nothing.
        null: shape (n,), True where the field is missing or null; None if nothing is.
        ints: shape (n,) int64, only for `mixed`.
        integer: shape (n,) bool, only for `mixed`.
        codes: shape (n,) int64, where a codec knows it: `values` is `texts[codes]`.
        texts: shape (m,) object, distinct; some may not occur in the column. Of two that are views of one array
            (`base`), the shorter is the beginning of the longer.
        finite: whether all numbers are known to be finite: a batch's aggregates look once.
    """

    kind: Kind
    values: NDArray[Any]
    null: Mask | None = None
    ints: NDArray[np.int64] | None = None
    integer: Mask | None = None
    codes: NDArray[np.int64] | None = None
    texts: NDArray[Any] | None = None
    finite: bool = field(default=False, init=False, compare=False, repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def take(self, rows: NDArray[Any] | slice) -> Column:
        """Return the column of these rows only (an index array, a boolean mask or a slice)."""
        return Column(
            self.kind,
            self.values[rows],
            None if self.null is None else self.null[rows],
            None if self.ints is None else self.ints[rows],
            None if self.integer is None else self.integer[rows],
            None if self.codes is None else self.codes[rows],
            self.texts,
        )

    def present(self) -> Mask:
        """Return a mask, True where the row has a value."""
        return np.ones(len(self.values), bool) if self.null is None else ~self.null

    def tolist(self) -> list[Any]:
        """Return plain Python values, None where null; integers stay integers."""
        items: list[Any] = self.values.tolist()
        if self.ints is not None and self.integer is not None:
            for row in np.flatnonzero(self.integer).tolist():
                items[row] = int(self.ints[row])
        if self.null is not None:
            for row in np.flatnonzero(self.null).tolist():
                items[row] = None
        return items


class Lazy(Mapping[str, Column]):
    """Columns by name, each made when it is first asked for.

    Args:
        names: of all of them.
        make: returns the column of a name.
        some: returns the same columns of some of the rows, by their positions, not made yet either.
    """

    def __init__(
        self, names: Collection[str], make: Callable[[str], Column], some: Callable[[NDArray[np.intp]], Lazy]
    ) -> None:
        """Make none yet."""
        self._names, self._make, self._some = names, make, some
        self._made: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        """Return one of the columns."""
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def take(self, rows: NDArray[np.intp]) -> Lazy:
        """Return the columns of some of the rows: what is made of them is made of no others."""
        return self._some(rows).knowing({name: column.take(rows) for name, column in self._made.items()})

    def knowing(self, made: Mapping[str, Column]) -> Lazy:
        """Return these columns; some of them are made already."""
        self._made.update(made)
        return self

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a column, without making it."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)


def join(first: Column, second: Column) -> Column:
    """Return one column of the rows of two that were asked for as the same: what a codec makes of all rows at once.

    Integers beside floats make a mixed column, text beside numbers one of any values; a column of nulls fits any other.
    """
    if not len(first) or not len(second):
        return first if len(first) else second
    first, second = _like(first, second), _like(second, first)
    null = None
    if first.null is not None or second.null is not None:
        null = np.concatenate((~first.present(), ~second.present()))
    if first.kind == second.kind != "mixed":
        return Column(first.kind, np.concatenate((first.values, second.values)), null)
    if {first.kind, second.kind} <= {"int", "float", "mixed"}:
        parts = zip(_mixed(first), _mixed(second), strict=True)
        values, ints, integer = (np.concatenate(pair) for pair in parts)
        return Column("mixed", values, null, ints, integer)
    return Column("any", np.concatenate((_objects(first), _objects(second))), null)


def _like(column: Column, other: Column) -> Column:
    """Return a column of nothing but nulls as one of the other's kind."""
    if column.kind == other.kind or column.null is None or not column.null.all():
        return column
    kind: Kind = "float" if other.kind == "mixed" else other.kind
    filler = {"text": "", "any": None}.get(kind, 0)
    return Column(kind, np.full(len(column), filler, other.values.dtype), column.null)


def _mixed(column: Column) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return a column of numbers as floats, as integers, and which are integers."""
    if column.ints is not None and column.integer is not None:
        return column.values, column.ints, column.integer
    integer = column.present() if column.kind == "int" else np.zeros(len(column), bool)
    return column.values.astype(np.float64), np.where(integer, column.values, 0).astype(np.int64), integer


def _objects(column: Column) -> NDArray[Any]:
    """Return the values as Python objects, None where null."""
    return np.fromiter(column.tolist(), object, len(column))
