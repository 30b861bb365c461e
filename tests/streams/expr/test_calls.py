"""Aggregates written as calls."""

from __future__ import annotations

import pytest

from streams.expr import ExpressionError, call
from tables.aggregates import registry
from tables.aggregates.base import Aggregate

EXAMPLES = [example for kind in registry().values() for example in kind.examples()]


@pytest.mark.parametrize("example", EXAMPLES, ids=Aggregate.describe)
def test_what_an_aggregate_says_reads_back(example: Aggregate) -> None:
    """Every aggregate describes itself as a call that builds an equal one."""
    assert call(example.describe()) == example


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("count()", " count ( ) "),
        ('count(where="status >= 500")', "count(where='status >= 500')"),
        ('quantile(0.95, "t")', 'quantile(of="t", q=0.95)'),
        ('quantile(1, "t")', 'quantile(1.0, "t")'),
        ('sum("a + b")', 'sum("a + b", where=null)'),
        (r"""sum("x", where="p == \"a\"")""", """sum("x", where='p == "a"')"""),
    ],
)
def test_ways_to_write_a_call(text: str, same: str) -> None:
    """Arguments go by place or by name; white space and the kind of quotes say nothing."""
    assert call(text) == call(same)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "a call such as `count()`"),
        ("cuont()", 1, "unknown aggregate `cuont`; did you mean `count`?"),
        ("count", 6, "`(` expected, not the end"),
        ("count(", 7, "expected, not the end"),
        ("count() + 1", 9, "one call and nothing more expected, not `+`"),
        ("sum(bytes)", 5, 'write a field or an expression in quotes: "bytes"'),
        ("sum(5)", 5, "`of` of sum must be a text in quotes, not 5"),
        ("sum()", 1, 'sum needs a field or an expression; write `sum("field", where="condition")`'),
        ('sum("x", "y")', 10, "one argument too many"),
        ('sum("x", of="y")', 13, "`of` is given twice"),
        ('sum("x", were="y")', 15, "sum has no `were`; did you mean `where`?"),
        ('quantile("x")', 10, "`q` of quantile must be a number"),
        ("quantile(0.5)", 1, "quantile needs a field or an expression"),
        ('quantile(1.5, "x")', 1, "1.5"),
        ('sum("lower(x)")', 6, "in `of`: a number is needed here, and `lower(x)` is text"),
        ('count(where="a >")', 17, "in `where`: a field, a number or a text in quotes expected"),
        ('count(where="a + 1")', 14, "in `where`: a condition is needed here"),
        (r'count(where="b == \"x\" and a = 1")', 31, "in `where`: `=` is not known; write `==`"),
    ],
)
def test_what_is_refused(text: str, column: int, message: str) -> None:
    """A mistake in a call, or in an expression within it, is told at its place in the call."""
    with pytest.raises(ExpressionError) as caught:
        call(text)
    assert message in caught.value.message
    assert caught.value.column == column
