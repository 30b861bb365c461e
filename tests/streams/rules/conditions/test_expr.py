"""The condition `expr`."""

from __future__ import annotations

import numpy as np

from streams.expr import compile as compile_expression
from streams.rules.conditions.expr import Expr
from tables.columns import Column

ROWS = {
    "n": Column("int", np.array([1, 5, 9])),
    "p": Column("float", np.array([0.5, 0.0, 2.0]), np.array([0, 1, 0], bool)),
}


def condition(text: str) -> Expr:
    """Return the condition of an expression."""
    expression = compile_expression(text, expect="bool")
    return Expr(expression, expression.value)


def test_holds_where_the_expression_is_true() -> None:
    """It holds row by row; null does not hold."""
    assert condition("n > 2").holds(ROWS, 3).tolist() == [False, True, True]
    assert condition("p >= 0").holds(ROWS, 3).tolist() == [True, False, True]


def test_value_is_the_left_side_of_the_first_comparison() -> None:
    """`$value` is what is compared, None where it is null, and None everywhere if nothing is compared."""
    assert condition("n * 2 > 2 and p > 0").values(ROWS, 3) == [2, 10, 18]
    assert condition("p > 0").values(ROWS, 3) == [0.5, None, 2.0]
    assert condition("startswith(s, 'a')").values(ROWS, 3) == [None, None, None]


def test_uses_names_what_it_reads() -> None:
    """It tells the columns it reads, with the type that each must be."""
    assert dict(condition("n > 2 and lower(host) == 'a'").uses) == {"n": "number", "host": "text"}
