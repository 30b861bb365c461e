"""Comparison of columns, membership in lists, and the logic of three values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.expr.convert import NUMBERS, either, flags, nulls, number, parts, text, truth
from streams.expr.syntax import CompareOp
from tables.columns import Column, Mask

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FEW = 8
"""Up to so many numbers in a list, comparing with each is faster than a sorted search."""


def compare(op: CompareOp, left: Column, right: Column) -> Column:
    """Return `left op right` for columns of n rows or one: null where one is null, or where the types differ."""
    kinds = {_family(left), _family(right)}
    if kinds == {"number"}:
        return _result(_numbers(op, left, right), either(left.null, right.null))
    if len(kinds) == 1 and "any" not in kinds and not (kinds == {"bool"} and op not in ("==", "!=")):
        return _result(_OPERATORS[op](left.values, right.values), either(left.null, right.null))
    if "any" not in kinds:
        return truth(nulls(max(len(left), len(right))))
    return _mixed(op, left, right, kinds - {"any"})


def _family(column: Column) -> str:
    return "number" if column.kind in NUMBERS else column.kind


def _result(values: NDArray[Any], null: Mask | None) -> Column:
    """Return the bool column, False where null."""
    mask = values.astype(bool, copy=False)
    return Column("bool", mask if null is None else mask & ~null, null)


def _mixed(op: CompareOp, left: Column, right: Column, known: set[str]) -> Column:
    """Compare where a side may hold anything: number with number, text with text, truth with truth."""
    casts = {"number": number, "text": text, "bool": truth}
    wanted = known or (casts.keys() if op in ("==", "!=") else ("number", "text"))
    values: Any = False
    null: Any = True
    for family in wanted:
        one = compare(op, casts[family](left), casts[family](right))
        values = values | one.values
        null = null & (False if one.null is None else one.null)
    n = len(np.broadcast_to(left.values, np.broadcast_shapes(left.values.shape, right.values.shape)))
    missing = np.broadcast_to(null, (n,))
    return _result(np.broadcast_to(values, (n,)), missing if missing.any() else None)


def _numbers(op: CompareOp, left: Column, right: Column) -> Mask:
    """Compare numbers: two integers exactly, else as doubles."""
    function = _OPERATORS[op]
    if "mixed" not in (left.kind, right.kind):
        return np.asarray(function(left.values, right.values), bool)
    x, x_ints, x_whole = parts(left)
    y, y_ints, y_whole = parts(right)
    return np.asarray(np.where(x_whole & y_whole, function(x_ints, y_ints), function(x, y)), bool)


def within(item: Column, values: Sequence[int | float | str]) -> Column:
    """Return whether each row equals one of `values`, which are all numbers or all texts."""
    if item.kind == "text":
        known = frozenset(values)
        return _result(flags(map(known.__contains__, item.values.tolist()), len(item)), item.null)
    ints = np.array([value for value in values if isinstance(value, int)], np.int64)
    if item.kind == "int" and len(ints) == len(values):
        return _result(_one_of(item.values, ints), item.null)
    floats, exact, whole = parts(item)
    fractions = [value for value in values if isinstance(value, float)]
    as_double = _one_of(floats, np.array(fractions, float))
    as_int = _one_of(exact, ints)
    return _result(as_double | np.where(whole, as_int, _one_of(floats, ints.astype(float))), item.null)


def _one_of(values: NDArray[Any], wanted: NDArray[Any]) -> Mask:
    if len(wanted) > _FEW:
        return np.isin(values, wanted)
    found = np.zeros(len(values), bool)
    for value in wanted:
        found |= values == value
    return found


def both(left: Column, right: Column) -> Column:
    """Return `left and right` (Kleene): false if one is false, else null if one is null. False where null, too."""
    values = left.values & right.values
    if left.null is None and right.null is None:
        return Column("bool", values)
    false = _false(left) | _false(right)
    return Column("bool", values, ~(values | false))


def one_of(left: Column, right: Column) -> Column:
    """Return `left or right` (Kleene): true if one is true, else null if one is null."""
    values = left.values | right.values
    if left.null is None and right.null is None:
        return Column("bool", values)
    false = _false(left) & _false(right)
    return Column("bool", values, ~(values | false))


def negation(column: Column) -> Column:
    """Return `not column`; null stays null."""
    return Column("bool", _false(column), column.null)


def _false(column: Column) -> Mask:
    """Return where the column is false and not null."""
    return ~column.values if column.null is None else ~(column.values | column.null)
