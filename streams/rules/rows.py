"""The rows of one window, in the order of their keys: what rules judge and what is emitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.columns import Column
from tables.keys import key_values


@dataclass(frozen=True)
class Rows:
    """The rows of one window.

    Args:
        window: its number.
        keys: n key bytes, rising.
        results: the aggregates by name, n rows each.
        fields: names of the key fields, in order.
    """

    window: int
    keys: Sequence[bytes]
    results: Mapping[str, Column]
    fields: Sequence[str] = field(default=())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.keys)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The aggregates and the key fields by name."""
        parts = zip(*(key_values(key, len(self.fields)) for key in self.keys), strict=True)
        return {**dict(zip(self.fields, map(_column, parts), strict=False)), **self.results}

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        results = {name: column.take(rows) for name, column in self.results.items()}
        return Rows(self.window, [self.keys[row] for row in rows.tolist()], results, self.fields)

    def values(self) -> Iterator[dict[str, Any]]:
        """Yield the aggregates of each row by name, as plain Python values."""
        columns = [column.tolist() for column in self.results.values()]
        for row in zip(*columns, strict=True):
            yield dict(zip(self.results, row, strict=True))


def _column(values: tuple[Any, ...]) -> Column:
    """Return a column of key values: text, or whatever they are."""
    column = np.empty(len(values), object)
    column[:] = values
    return Column("text" if all(isinstance(value, str) for value in values) else "any", column)
