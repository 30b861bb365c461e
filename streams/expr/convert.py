"""Columns made to be of one type: a row of another type is null."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.expr.syntax import Scalar
from tables.columns import Column, Mask
from tables.reductions import every

NUMBERS = frozenset(("int", "float", "mixed"))
"""The kinds that hold numbers."""

Parts = tuple[NDArray[np.float64], NDArray[np.int64], Mask]
_NO_INTS = np.zeros(1, np.int64)


def either(left: Mask | None, right: Mask | None) -> Mask | None:
    """Return where one of both is null; None if nowhere."""
    if left is None or right is None:
        return left if right is None else right
    return left | right


def constant(value: Scalar) -> Column:
    """Return a column of one row, which stands for any number of rows."""
    if value is None:
        return nulls(1)
    if isinstance(value, bool):
        return Column("bool", np.array([value]))
    if isinstance(value, str):
        return Column("text", np.array([value], object))
    return Column("int" if isinstance(value, int) else "float", np.array([value]))


def nulls(n: int) -> Column:
    """Return n nulls."""
    return Column("any", np.full(n, None, object), np.ones(n, bool))


def flags(items: Iterable[bool], n: int) -> Mask:
    """Return n truth values as an array."""
    return np.fromiter(items, bool, n)


def objects(items: list[Any]) -> NDArray[Any]:
    """Return an array of these objects, lists among them staying objects."""
    return np.fromiter(items, object, len(items))


def number(column: Column) -> Column:
    """Return the column as `int`, `float` or `mixed`; other types and non-finite numbers are null."""
    if column.kind == "int":
        return column
    if column.kind in NUMBERS:
        return finite(column)
    n = len(column)
    if column.kind != "any":
        return Column("int", np.zeros(n, np.int64), np.ones(n, bool))
    return _numbers(column)


def _numbers(column: Column) -> Column:
    """Return the numbers of an `any` column."""
    n = len(column)
    kinds = list(map(type, column.values.tolist()))
    integer = flags([kind is int for kind in kinds], n)
    present = integer | flags([kind is float for kind in kinds], n)
    if column.null is not None:
        integer, present = integer & ~column.null, present & ~column.null
    floats, ints = np.zeros(n), np.zeros(n, np.int64)
    try:
        ints[integer] = column.values[integer].astype(np.int64)
        floats[present] = column.values[present].astype(float)
    except OverflowError:
        return _numbers(Column("any", objects(list(map(_bounded, column.values.tolist()))), column.null))
    null = ~present | ~np.isfinite(floats)
    return simplest(np.where(null, 0.0, floats), ints, integer, null if null.any() else None)


def _bounded(item: object) -> object:
    """Return an integer that does not fit 64 bits as a double, or as NaN where it does not fit that either."""
    if type(item) is not int or -(2**63) <= item < 2**63:
        return item
    try:
        return float(item)
    except OverflowError:
        return np.nan


def finite(column: Column) -> Column:
    """Return the `float` or `mixed` column with non-finite numbers made null."""
    good = np.isfinite(column.values)
    if every(good):
        return column
    null = ~good if column.null is None else ~good | column.null
    return Column(column.kind, np.where(good, column.values, 0.0), null, column.ints, column.integer)


def parts(column: Column) -> Parts:
    """Return a number column as doubles, exact integers, and which rows are integers; each of n rows or of one."""
    if column.kind == "int":
        return column.values.astype(float), column.values, np.ones(1, bool)
    if column.ints is None or column.integer is None:
        return column.values, _NO_INTS, np.zeros(1, bool)
    return column.values, column.ints, column.integer


def simplest(floats: NDArray[np.float64], ints: NDArray[np.int64], integer: Mask, null: Mask | None) -> Column:
    """Return the `int`, `float` or `mixed` column of these parts."""
    if not integer.any():
        return Column("float", floats, null)
    if (integer if null is None else integer | null).all():
        return Column("int", ints, null)
    return Column("mixed", floats, null, ints, integer)


def text(column: Column) -> Column:
    """Return the column as `text`; other types are null."""
    if column.kind == "text":
        if column.null is None:
            return column
        return Column("text", np.where(column.null, "", column.values), column.null)
    return _only(column, str, "")


def truth(column: Column) -> Column:
    """Return the column as `bool`, False where null; other types are null."""
    if column.kind == "bool":
        return column if column.null is None else Column("bool", column.values & ~column.null, column.null)
    only = _only(column, bool, filler=False)
    return Column("bool", only.values.astype(bool), only.null)


def _only(column: Column, wanted: type, filler: object) -> Column:
    """Return a text column of the rows of an `any` column that are of this type, the others null."""
    n = len(column)
    if column.kind == "any":
        null = flags([type(item) is not wanted for item in column.values.tolist()], n)
    else:
        null = np.ones(n, bool)
    if column.null is not None:
        null |= column.null
    values = np.full(n, filler, object)
    values[~null] = column.values[~null]
    return Column("text", values, null if null.any() else None)


def anything(column: Column) -> Column:
    """Return the column as `any`, each row a Python value."""
    return column if column.kind == "any" else Column("any", objects(column.tolist()), column.null)


CONVERT: dict[str, Callable[[Column], Column]] = {"number": number, "text": text, "bool": truth, "any": lambda x: x}
"""The conversion to each type of the language; `any` leaves a column as it is."""
