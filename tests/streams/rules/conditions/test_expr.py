"""The condition `expr`: where it holds, what it reads, and what `$value` is."""

from __future__ import annotations

import numpy as np

from streams.expr import compile  # noqa: A004 - the language's own word
from streams.rules.conditions.expr import Expr
from tables.columns import Column

ROWS = [(10, 2, "a"), (10, 6, "b"), (None, 3, "c"), (0, 0, "d")]


def columns() -> dict[str, Column]:
    """Return the rows as columns."""
    requests, errors, hosts = zip(*ROWS, strict=True)
    return {
        "requests": Column("int", np.array([each or 0 for each in requests]), np.equal(requests, None)),
        "errors": Column("int", np.array(errors)),
        "host": Column("text", np.array(hosts, object)),
    }


def condition(text: str) -> Expr:
    """Return the condition that a text is."""
    expression = compile(text)
    return Expr(expression, expression.value)


def test_it_holds_where_the_expression_is_true() -> None:
    """Null, and division by zero, which is null, do not hold."""
    held = condition("errors / requests > 0.5").holds(columns(), len(ROWS))
    assert held.tolist() == [False, True, False, False]


def test_value_is_the_left_side_of_the_first_comparison() -> None:
    """`$value` is there for rows that hold and for rows that do not; it is null where its parts are."""
    assert condition("errors / requests > 0.5").values(columns(), len(ROWS)) == [0.2, 0.6, None, None]
    assert condition("errors >= 1 and requests > 5").values(columns(), len(ROWS)) == [2, 6, 3, 0]


def test_without_a_comparison_there_is_no_value() -> None:
    """A condition that compares nothing has nothing to show."""
    assert condition("contains(host, 'b')").values(columns(), len(ROWS)) == [None] * len(ROWS)


def test_it_names_what_it_reads() -> None:
    """Columns and key fields of the condition are its fields, and no others."""
    assert condition("errors / requests > 0.5 and host != 'a'").fields == {"errors", "requests", "host"}
