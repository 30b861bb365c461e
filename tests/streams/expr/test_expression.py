"""What an expression says of itself: types of fields, mistakes of types, `$value`, equality."""

from __future__ import annotations

import numpy as np
import pytest

from streams.expr import ExpressionError
from streams.expr import compile as compile_expression
from tables.columns import Column


@pytest.mark.parametrize(
    ("text", "uses", "type_"),
    [
        ("status >= 500", {"status": "number"}, "bool"),
        ("a + b.c", {"a": "number", "b.c": "number"}, "number"),
        ("host == 'a'", {"host": "text"}, "bool"),
        ("lower(host)", {"host": "text"}, "text"),
        ("a and not b", {"a": "bool", "b": "bool"}, "bool"),
        ("ok == true", {"ok": "bool"}, "bool"),
        ("a", {"a": "any"}, "any"),
        ("a == b", {"a": "any", "b": "any"}, "bool"),
        ("a == b and b > 5", {"a": "number", "b": "number"}, "bool"),
        ("a == b and c == b and c == 'x'", {"a": "text", "b": "text", "c": "text"}, "bool"),
        ("coalesce(a, 0)", {"a": "number"}, "number"),
        ("coalesce(null, a, b)", {"a": "any", "b": "any"}, "any"),
        ("a in ['x']", {"a": "text"}, "bool"),
        ("startswith(a, b)", {"a": "text", "b": "text"}, "bool"),
        ("null", {}, "any"),
    ],
)
def test_types_are_inferred(text: str, uses: dict[str, str], type_: str) -> None:
    """Each field is needed as what the operators around it take; what nothing tells is `any`."""
    expression = compile_expression(text)
    assert (dict(expression.uses), expression.type) == (uses, type_)
    assert expression.fields == frozenset(uses)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("status == '5' and status > 3", 19, "`status`, text (beside `'5'`, column 1), stands beside `3`, a number"),
        ("a + 1 > 2 and a == '7'", 15, "write 7"),
        ("a == 'x' and a == 5", 14, "write '5'"),
        ("'5' + 1", 1, "`+` needs numbers, and `'5'` is text; write 5"),
        ("-'x'", 2, "`-` needs a number, and `'x'` is text"),
        ("not 5", 5, "`not` needs a condition, and `5` is a number"),
        ("a > 1 and a", 11, "`and` joins conditions, and `a` is a number (beside `1`, column 1)"),
        ("lower(5)", 7, "`lower` needs text, and `5` is a number; write '5'"),
        ("a in [1, 'b']", 10, "a list holds only numbers or only texts"),
        ("a == 'x' and a in [1]", 20, "`a` is text (beside `'x'`, column 1), and the list holds a number"),
        ("true < false", 1, "`<` orders numbers and texts"),
        ("a == null", 6, "this never holds; write for example `coalesce(a, 0) == 0`"),
        ("coalesce(a)", 1, "two or more arguments"),
        ("lower(a, b)", 1, "write `lower(x)`"),
        ("coalesce(a, 'x') > 5", 1, "both must be of one type; write '5'"),
        ("matches(a, '(')", 12, "is not a regular expression (RE2): missing ): ("),
        ("matches(a, b)", 12, "a pattern is written in quotes"),
        ("matches(a, '(((a{100}){100}){100})')", 12, "is not a regular expression"),
    ],
)
def test_mistakes_of_types(text: str, column: int, message: str) -> None:
    """A type that cannot be is told before any row is seen, with both sides and, where it is clear, the fix."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert caught.value.column == column
    assert message in caught.value.message


def test_known_types_bind() -> None:
    """What is known of a field is held against its use; `key`, `time` and `any` say nothing."""
    with pytest.raises(ExpressionError, match=r"`status`, a number by its declaration, .* write 500"):
        compile_expression("status == '500'", {"status": "number"})
    for free in ("key", "time", "any"):
        assert compile_expression("status == '500'", {"status": free}).uses == {"status": "text"}
    assert compile_expression("a == b", {"a": "text"}).uses == {"a": "text", "b": "text"}
    assert compile_expression("a", {"a": "bool"}).type == "bool"


def test_expected_type() -> None:
    """A condition must be true or false, and a bare field in its place is needed as that."""
    assert compile_expression("ok", expect="bool").uses == {"ok": "bool"}
    with pytest.raises(ExpressionError, match="a condition is needed here, and `a \\+ 1` is a number"):
        compile_expression("a + 1", expect="bool")


def test_known_names() -> None:
    """Where the names are known, another one is refused with the nearest."""
    assert compile_expression("errors > 5", known=["errors"]).fields == {"errors"}
    with pytest.raises(ExpressionError, match=r"there is no `erors` here; did you mean `errors`\?") as caught:
        compile_expression("1 < erors", known=["errors", "host"])
    assert caught.value.column == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("requests >= 50 and errors / requests > 0.05", "requests"),
        ("errors / requests > 0.05", "errors / requests"),
        ("(a + b) * 2 > 1", "(a + b) * 2"),
        ("((a) + (b)) > 1", "((a) + (b))"),
        ("not (a < 1)", "a"),
        ("a and b", None),
        ("a or b != 1", "b"),
        ("a in [1]", "a"),
    ],
)
def test_value_is_the_left_side_of_the_first_comparison(text: str, value: str | None) -> None:
    """`$value` is what stands left of the first comparison; there is none without a comparison."""
    found = compile_expression(text).value
    assert (found and found.text) == value


def test_value_needs_what_the_whole_needs() -> None:
    """The value's fields are needed as the whole expression needs them."""
    value = compile_expression("a == b and b > 1").value
    assert value is not None
    assert (value.uses, value.type) == ({"a": "number"}, "number")


def test_expressions_are_equal_by_their_text() -> None:
    """Two expressions are equal if their text is."""
    assert compile_expression("a > 1") == compile_expression("a > 1", {"a": "number"})
    assert compile_expression("a > 1") != compile_expression("a>1")
    assert len({compile_expression("a > 1"), compile_expression("a > 1")}) == 1


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("text", ["1 / 0 > y", "not (1 / 0 > 2)", "1 / 0 > 2 and y > 0", "coalesce(1 / 0, y) > 1"])
def test_a_constant_null_has_a_mask_for_every_row(text: str, rows: int) -> None:
    """Values and null mask are as long as the batch, also where an operand is the same for all rows."""
    column = compile_expression(text).evaluate({"y": Column("int", np.zeros(rows, np.int64))}, rows)
    assert len(column.values) == rows
    assert column.null is None or len(column.null) == rows
