"""How the text of an expression is read, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.expr import Expression, ExpressionError
from streams.expr import compile as compile_expression
from streams.expr.parse import parse
from streams.expr.syntax import Literal, walk


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a or b and c", "a or (b and c)"),
        ("not a and b", "(not a) and b"),
        ("not a == b", "not (a == b)"),
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b / c % d", "((a / b) / c) % d"),
        ("-a * b", "(-a) * b"),
        ("a - -b", "a - (-b)"),
        ("a + 1 > b and c", "((a + 1) > b) and c"),
        ("a not in [1, 2]", "not (a in (1, 2,))"),
        ("'x' == \"x\"", "\"x\" == 'x'"),
        ("a==True and b!=None", "a == true and b != null"),
    ],
)
def test_binding(text: str, same: str) -> None:
    """Operators bind as in Python, from `or` (loosest) to unary minus."""
    assert parse(text) == parse(same)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        (".5", 0.5),
        ("2e3", 2000.0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("-7", -7),
        ("'a'", "a"),
        (r"'it\'s'", "it's"),
        (r'"say \"x\""', 'say "x"'),
        (r"'^\d+\.b$'", r"^\d+\.b$"),
        (r"'a\\b'", r"a\b"),
        (r"'a\nb'", "a\nb"),
        ("'a\nb'", "a\nb"),
        ("'é'", "é"),
        ("true", True),
        ("null", None),
    ],
)
def test_literals(text: str, value: object) -> None:
    """A literal has the value and the type that it is written as."""
    node = parse(text)
    assert isinstance(node, Literal)
    assert (type(node.value), node.value) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the expression is empty"),
        ("   ", 1, "the expression is empty"),
        ("a = 5", 3, "write `==`"),
        ("a && b", 3, "write `and`"),
        ("a || b", 3, "write `or`"),
        ("!a", 1, "write `not`"),
        ("a <> 1", 3, "write `!=`"),
        ("a =~ 'x'", 3, "write `matches(x, 're')`"),
        ("a AND b", 3, "write `and`"),
        ("a is 5", 3, "write `==`"),
        ("a < b < c", 7, "write `a < b and b < c`"),
        ("a in [1] == true", 10, "do not chain"),
        ("a not 5", 7, "`in` expected after `not`, not `5`"),
        ("(a", 3, "`)` expected for the `(` at column 1, not the end"),
        ("lower(a", 8, "`)` expected for the `(` at column 6"),
        ("a)", 2, "an operator or the end expected, not `)`"),
        ("a b", 3, "an operator or the end expected, not `b`"),
        ("a or", 5, "a field, a number or a text in quotes expected, not the end"),
        ("a in 5", 6, "a list such as `[1, 2]` expected"),
        ("a in []", 6, "nothing is in an empty list"),
        ("a in [b]", 7, "a number or a text in quotes expected in the list"),
        ("[1, 2]", 1, "a list stands only after `in`"),
        ("startwith(a, 'x')", 1, "did you mean `startswith`?"),
        ("avg(a)", 1, "there are coalesce, contains, lower, matches, startswith"),
        ("a # b", 3, "'#' is not part of the language"),
        ("a == 'x", 6, "has no closing '"),
        ("+a", 1, "leave it out"),
        ("1e999", 1, "1e999 is too large"),
        ("a ** 2", 3, "write `a product`"),
    ],
)
def test_what_is_refused(text: str, column: int, message: str) -> None:
    """A mistake is told at its column, with what was found and what to write."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.column == column
    assert message in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "(" * 33 + "a" + ")" * 33,
        "not " * 33 + "a",
        "-" * 33 + "a",
        "lower(" * 33 + "a" + ")" * 33,
        "a" + " + a" * 32,
        "(" * 4000,
    ],
)
def test_depth_is_bounded(text: str) -> None:
    """More than 32 levels are refused, however they are made."""
    with pytest.raises(ExpressionError, match="more than 32 levels deep"):
        parse(text)


def test_size_is_bounded() -> None:
    """An expression has at most 4,096 characters, and a list at most 1,000 values."""
    assert parse("a" * 4096).end == 4096
    with pytest.raises(ExpressionError, match="4097 characters"):
        parse("a" * 4097)
    assert parse("a in [" + "1," * 1000 + "]").height == 2
    with pytest.raises(ExpressionError, match="more than 1000 values"):
        parse("a in [" + "1," * 1001 + "]")


def test_long_chains_of_and_and_or_are_flat() -> None:
    """`and` and `or` join any number of conditions without becoming deep."""
    assert parse(" or ".join(["a"] * 500)).height == 2


_PIECES = ["a", "b.c", "1", "2.5", "'x'", "(", ")", "[", "]", ",", "and", "or", "not", "in", "==", "<", "+", "-", "*",
           "%", "lower", "coalesce", "matches", "null", "true", "'", '"', "=", "é", "\\", "#", " "]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=14).map(" ".join)))
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str) -> None:
    """Whatever is written, the outcome is an expression or one error whose column lies in the text."""
    found: Expression | ExpressionError
    try:
        found = compile_expression(text)
    except ExpressionError as error:
        found = error
    if isinstance(found, ExpressionError):
        assert 1 <= found.column <= len(text) + 1
        assert str(found) == f"column {found.column}: {found.message}"
    else:
        assert len(found.evaluate({}, 2)) == 2
        assert found.value is None or set(found.value.uses.items()) <= set(found.uses.items())


def test_places_of_nodes_are_their_text() -> None:
    """Each node knows which part of the text it is."""
    text = " a+1 >  lower( b ) and not c in ['x']"
    assert [text[node.start : node.end] for node in walk(parse(text))] == [
        "a+1 >  lower( b ) and not c in ['x']", "a+1 >  lower( b )", "a+1", "a", "1", "lower( b )", "b",
        "not c in ['x']", "c in ['x']", "c",
    ]  # fmt: skip
