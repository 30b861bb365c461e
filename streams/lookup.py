"""Lookup tables in memory, joined to the rows of a batch by key: pure, whole columns at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.codecs.extract import column
from tables.keys import key_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.codecs.base import FieldType
    from tables.columns import Column

REMEMBERED = 1_000_000
"""Values of join fields after which a new memory of them is begun."""
_INT64 = range(-(1 << 63), 1 << 63)
_PLAIN: Mapping[str, frozenset[type]] = {
    "number": frozenset({int, float}),
    "text": frozenset({str}),
    "bool": frozenset({bool}),
    "key": frozenset({int, float, str}),
}


class _Places(dict[Any, int]):
    """Value of a join field -> row of the lookup, -1 for none; what was seen costs one look-up, done in C."""

    def __init__(self, index: Mapping[bytes, int]) -> None:
        super().__init__()
        self._index = index

    def __missing__(self, value: Any) -> int:
        try:
            found = self._index.get(key_bytes((value,)), -1)
        except ValueError:
            found = -1
        self[value] = found
        return found


class Lookup:
    """The rows of one lookup, by key.

    Args:
        rows: key bytes and fields (nested as in JSON); of several with one key the last counts.
    """

    def __init__(self, rows: Iterable[tuple[bytes, Mapping[str, Any]]] = ()) -> None:
        """Keep the rows."""
        kept = dict(rows)
        self._rows = list(kept.values())
        self._index = {key: at for at, key in enumerate(kept)}
        self._forget()
        self._columns: dict[tuple[str, FieldType], Column] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def join(self, on: Column, fields: Mapping[str, FieldType]) -> dict[str, Column]:
        """Return fields of the rows whose keys a column holds; null where there is no such row.

        Args:
            on: the join field over n rows.
            fields: the lookup's fields by name (without that of the lookup), with the types that their uses need.
        """
        rows = self._found(on)
        return {name: self._column(name, type_).take(rows) for name, type_ in fields.items()}

    def _found(self, on: Column) -> NDArray[np.intp]:
        """Return the row of each value, -1 for none."""
        if len(self._places) > REMEMBERED:
            self._forget()
        values = on.tolist()
        if on.kind in ("any", "bool"):  # True would be found as 1
            values = [each if type(each) in _PLAIN["key"] else None for each in values]
        return np.fromiter(map(self._places.__getitem__, values), np.intp, len(values))

    def _forget(self) -> None:
        """Begin a new memory of values."""
        self._places = _Places(self._index)

    def _column(self, name: str, type_: FieldType) -> Column:
        """Return a field over all rows, and null at the end, where the row -1 is."""
        made = self._columns.get((name, type_))
        if made is None:
            path = name.split(".")
            values = [fitting(_at(row, path), type_) for row in self._rows]
            made = self._columns[name, type_] = column([*values, None], type_)
        return made


def fitting(value: Any, type_: FieldType) -> Any:
    """Return a value if it is of the type that its use needs, else None; a whole number is kept up to 64 bits."""
    if type(value) is int and value not in _INT64:
        return None
    return value if type_ == "any" or type(value) in _PLAIN[type_] else None


def _at(row: Mapping[str, Any], path: list[str]) -> Any:
    """Return what lies at a path of names, None if nothing does."""
    found: Any = row
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
