"""Lists of plain Python values to columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.codecs.base import FieldType
from tables.columns import Column, Kind, Mask

_NONE = type(None)
_INT64 = range(-(1 << 63), 1 << 63)


def column(items: list[Any], want: FieldType) -> Column:
    """Return the column of n values of one field, None where it is missing or null.

    The values must be of the types that `want` allows: int or float for `number`; str; bool; str, int or float for
    `key` and `time`. NaN must not be among them.

    Raises:
        OverflowError: an integer does not fit in 64 bits (`out_of_range` says where).
    """
    types = set(map(type, items))
    null = None
    if _NONE in types:
        types.discard(_NONE)
        null = np.array([item is None for item in items], bool)
    return _BUILDERS[want](items, types, null)


def out_of_range(items: list[Any]) -> list[int]:
    """Return the indices of the integers that do not fit in 64 bits."""
    return [row for row, item in enumerate(items) if type(item) is int and item not in _INT64]


def objects(items: list[Any]) -> NDArray[Any]:
    """Return an object array of shape (n,) of these items, whatever they are (lists too)."""
    return np.fromiter(items, object, len(items))


def _number(items: list[Any], types: set[type], null: Mask | None) -> Column:
    if int not in types:
        return Column("float", _filled(items, np.float64, null), null)
    if float not in types:
        return Column("int", _filled(items, np.int64, null), null)
    integer = np.array([type(item) is int for item in items], bool)
    ints = np.fromiter([item if type(item) is int else 0 for item in items], np.int64, len(items))
    return Column("mixed", _filled(items, np.float64, null), null, ints, integer)


def _filled(items: list[Any], dtype: type[Any], null: Mask | None) -> NDArray[Any]:
    if null is not None:
        items = [0 if item is None else item for item in items]
    return np.fromiter(items, dtype, len(items))


def _text(items: list[Any], _: set[type], null: Mask | None) -> Column:
    return _of_objects("text", items, null, "")


def _bool(items: list[Any], _: set[type], null: Mask | None) -> Column:
    return Column("bool", _filled(items, np.bool_, null), null)


def _any(items: list[Any], types: set[type], null: Mask | None) -> Column:
    if int in types and out_of_range(items):
        raise OverflowError
    return _of_objects("any", items, null, None)


def _text_or_number(items: list[Any], types: set[type], null: Mask | None) -> Column:
    if str not in types:
        return _number(items, types, null) if types else _text(items, types, null)
    return _text(items, types, null) if len(types) == 1 else _any(items, types, null)


def _of_objects(kind: Kind, items: list[Any], null: Mask | None, filler: object) -> Column:
    values = objects(items)
    if null is not None:
        values[null] = filler
    return Column(kind, values, null)


_BUILDERS: Mapping[FieldType, Callable[[list[Any], set[type], Mask | None], Column]] = {
    "number": _number,
    "text": _text,
    "bool": _bool,
    "key": _text_or_number,
    "time": _text_or_number,
    "any": _any,
}
