"""Evaluates a checked tree over columns, an array at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np

from streams.expr import compare, convert, syntax
from streams.expr.arithmetic import arithmetic, negate
from streams.expr.functions import FUNCTIONS
from streams.expr.syntax import Node
from tables.columns import Column

Load = Callable[[str], Column]
_FILLERS = {"text": "", "bool": False, "any": None}


def evaluate(node: Node, load: Load) -> Column:  # noqa: PLR0911 - one for each kind of node
    """Return the node's column: n rows, or one row where it is the same for all.

    Args:
        node: a tree that passed the `Checker`.
        load: gives a field's column, of the type that the field is needed as.
    """
    match node:
        case syntax.Literal(value):
            return convert.constant(value)
        case syntax.Field(name):
            return load(name)
        case syntax.Compare(op, left, right):
            return compare.compare(op, evaluate(left, load), evaluate(right, load))
        case syntax.Arithmetic(op, left, right):
            return arithmetic(op, _number(left, load), _number(right, load))
        case syntax.Negate(operand):
            return negate(_number(operand, load))
        case syntax.Not(operand):
            return compare.negation(_truth(operand, load))
        case syntax.Logic(op, operands):
            join = compare.both if op == "and" else compare.one_of
            return reduce(join, (_truth(operand, load) for operand in operands))
        case _:
            return _applied(node, load)


def _applied(node: Node, load: Load) -> Column:
    """Evaluate a function or a membership."""
    if isinstance(node, syntax.Call):
        function = FUNCTIONS[node.name]
        columns = [evaluate(argument, load) for argument in node.arguments]
        return function.evaluate(*(columns if function.returns is None else map(convert.text, columns)))
    assert isinstance(node, syntax.Within)  # noqa: S101 - the last kind of node
    values = [value.value for value in node.values]
    cast = convert.text if isinstance(values[0], str) else convert.number
    return compare.within(cast(evaluate(node.item, load)), values)  # type: ignore[arg-type] # checked: one type


def _number(node: Node, load: Load) -> Column:
    return convert.number(evaluate(node, load))


def _truth(node: Node, load: Load) -> Column:
    return convert.truth(evaluate(node, load))


def loader(columns: Mapping[str, Column], uses: Mapping[str, str], n: int) -> Load:
    """Return how fields are read: each once, as what it is used as; a field that is not there is null."""
    loaded: dict[str, Column] = {}

    def load(name: str) -> Column:
        if name not in loaded:
            column = columns.get(name)
            loaded[name] = convert.CONVERT[uses.get(name, "any")](convert.nulls(n) if column is None else column)
        return loaded[name]

    return load


def spread(column: Column, n: int) -> Column:
    """Return the column with n rows, its own filler where it is null, and no null mask where nothing is."""
    if len(column) != n:
        column = _level(column).take(np.zeros(n, np.intp))
    null = column.null
    if null is None:
        return column
    if not n or not null.any():
        return replace(column, null=None)
    null = np.broadcast_to(null, (n,))  # of a constant operand it is one row long
    filler = np.array(_FILLERS.get(column.kind, 0), column.values.dtype)
    integer = None if column.integer is None else column.integer & ~null
    return replace(column, values=np.where(null, filler, column.values), null=null, integer=integer)


def _level(column: Column) -> Column:
    """Return the column with a null mask as long as its values, or none where it has no rows."""
    return column if len(column) else replace(column, null=None)
