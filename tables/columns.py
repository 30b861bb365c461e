"""A column: the values of one field over the rows of one batch, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    kind: Kind
    values: NDArray[Any]
    null: Mask | None = None
    ints: NDArray[np.int64] | None = None
    integer: Mask | None = None

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
