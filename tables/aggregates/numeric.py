"""Numbers of a batch and numbers as results: integers stay integers, exactly, and what is not finite is null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tables.columns import Column
from tables.reductions import every

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tables.aggregates.base import Fold, Rows
    from tables.columns import Mask

Part = tuple["Rows", "NDArray[Any]"]
"""Positions in `Fold.rows` and the values that belong to them, both shape (k,)."""


def present(column: Column) -> Mask | None:
    """Return a mask, True where the row has a value; None if all have. An overflown number is no value."""
    mask = None if column.null is None else ~column.null
    if column.kind in ("float", "mixed") and not column.finite:
        finite = np.isfinite(column.values)
        if column.integer is not None:
            finite |= column.integer
        column.finite = every(finite)
        if not column.finite:
            mask = finite if mask is None else mask & finite
    return mask


def split(fold: Fold) -> tuple[Part, Part]:
    """Return the batch's values that were written as integers (int64), and those written as floats (float64).

    Raises:
        TypeError: the column holds no numbers.
    """
    column = _numbers(fold)
    mask = present(column)
    if column.kind == "int":
        return _part(fold.index, column.values, mask), _part(fold.index[:0], np.empty(0), None)
    if column.integer is None or column.ints is None:
        return _part(fold.index[:0], np.empty(0, np.int64), None), _part(fold.index, column.values, mask)
    whole = column.integer if mask is None else column.integer & mask
    other = ~column.integer if mask is None else ~column.integer & mask
    return _part(fold.index, column.ints, whole), _part(fold.index, column.values, other)


def floats(fold: Fold) -> Part:
    """Return the batch's values as float64, nulls left out.

    Raises:
        TypeError: the column holds no numbers.
    """
    return _part(fold.index, all_floats(fold), present(_numbers(fold)))


def all_floats(fold: Fold) -> NDArray[np.float64]:
    """Return the batch's values as float64, shape (n,), with fillers where they are null.

    Raises:
        TypeError: the column holds no numbers.
    """
    column = _numbers(fold)
    values: NDArray[np.float64] = column.values.astype(np.float64, copy=False)
    if column.integer is not None and column.ints is not None:
        values = np.where(column.integer, column.ints, values)
    return values


def number_column(whole: NDArray[np.int64], real: NDArray[np.float64], is_real: Mask, null: Mask | None) -> Column:
    """Return the column that is `real` where `is_real`, else `whole`: of kind int, float or mixed, as its rows are."""
    absent = null if null is not None and null.any() else None
    if not is_real.any():
        return Column("int", whole if absent is None else np.where(absent, 0, whole), absent)
    values = np.where(is_real, real, whole)
    if absent is not None:
        values, is_real = np.where(absent, 0.0, values), is_real | absent
    return Column("float", values, absent) if is_real.all() else Column("mixed", values, absent, whole, ~is_real)


def float_column(values: NDArray[np.float64], null: Mask) -> Column:
    """Return the column of the floats; null where `null`, and where they are not finite."""
    null = null | ~np.isfinite(values)
    return Column("float", np.where(null, 0.0, values), null) if null.any() else Column("float", values)


def _numbers(fold: Fold) -> Column:
    """Return the column of the fold, which must hold numbers."""
    column = fold.values
    if column is None or column.kind not in ("int", "float", "mixed"):
        raise TypeError(f"a column of numbers is needed, not {'none' if column is None else column.kind}")
    return column


def _part(index: Rows, values: NDArray[Any], mask: Mask | None) -> Part:
    """Return index and values of the masked rows."""
    return (index, values) if mask is None else (index[mask], values[mask])
