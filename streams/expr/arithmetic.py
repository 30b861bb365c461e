"""Arithmetic on number columns: integers stay exact while they fit 64 bits, and nothing is ever infinite."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.expr.convert import constant, either, finite, parts, simplest
from streams.expr.syntax import ArithmeticOp
from tables.columns import Column, Mask

Ints = NDArray[np.int64]
_UFUNCS: dict[str, np.ufunc] = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.mod}
_PYTHON: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_LOW, _HIGH = -(2**63), 2**63 - 1


@np.errstate(all="ignore")
def arithmetic(op: ArithmeticOp, left: Column, right: Column) -> Column:
    """Return `left op right` for two number columns (`int`, `float`, `mixed`) of n rows or one.

    `/` divides doubles; `%` has the sign of the right side; division by zero and non-finite results are null.
    """
    null = either(left.null, right.null)
    if op != "/" and left.kind == right.kind == "int":
        return _whole(op, left.values, right.values, null)
    x, x_ints, x_whole = parts(left)
    y, y_ints, y_whole = parts(right)
    result = _float(op, x, y, null)
    whole = x_whole & y_whole
    if op == "/" or not whole.any():
        return result
    exact = _whole(op, x_ints, y_ints, None)
    integer = whole if exact.integer is None else whole & exact.integer
    # The doubles are an array of our own, so that it may be written to.
    np.copyto(result.values, exact.values, where=whole, casting="unsafe")
    return simplest(result.values, exact.values if exact.ints is None else exact.ints, integer, result.null)


def negate(column: Column) -> Column:
    """Return `-column`, which has no negative zero where it is an integer."""
    if column.kind == "float":
        return Column("float", -column.values, column.null)
    return arithmetic("-", constant(0), column) if column.kind == "int" else arithmetic("*", column, constant(-1))


def _float(op: ArithmeticOp, x: NDArray[np.float64], y: NDArray[np.float64], null: Mask | None) -> Column:
    """Return the result on doubles; x/0 is not finite, so it is null."""
    return finite(Column("float", _UFUNCS[op](x, y), null))


def _whole(op: ArithmeticOp, x: Ints, y: Ints, null: Mask | None) -> Column:
    """Return the result on integers: `int`, or `mixed` where some do not fit 64 bits."""
    if op == "%":
        zero = np.broadcast_to(y == 0, np.broadcast_shapes(x.shape, y.shape))
        null = either(null, zero) if zero.any() else null
    elif not _fits(op, x, y):
        return _big(_UFUNCS[op](x.astype(object), y.astype(object)), null)
    return Column("int", _UFUNCS[op](x, y), null)


def _fits(op: ArithmeticOp, x: Ints, y: Ints) -> bool:
    """Whether no pair of values can leave 64 bits, told by the least and greatest of each side."""
    if not (x.size and y.size):
        return True
    xs, ys = (int(x.min()), int(x.max())), (int(y.min()), int(y.max()))
    reach = [_PYTHON[op](a, b) for a in xs for b in ys]
    return min(reach) >= _LOW and max(reach) <= _HIGH


def _big(values: NDArray[Any], null: Mask | None) -> Column:
    """Return the column of exact Python integers, those that do not fit as doubles."""
    integer = (values >= _LOW) & (values <= _HIGH)
    ints = np.where(integer, values, 0).astype(np.int64)
    return Column("mixed", values.astype(float), null, ints, integer.astype(bool))
