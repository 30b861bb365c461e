"""Evaluation on arrays equals evaluation row by row in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.expr import compile as compile_expression
from tables.columns import Column
from tests.streams.expr.oracle import Tree, finite, show, value_of

INTS = st.sampled_from([0, 1, -1, 2, 3, 7, 200, 500, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**53) - 1])
FLOATS = st.sampled_from([0.0, 0.5, -0.5, 1.0, 2.5, 200.0, 1e-300, 1e308, -1e308, 2.0**53, 1e19, float("inf")])
TEXTS = st.sampled_from(["", "a", "A", "ab", "abc", "b'c", "é", "É", "zz\\", "GET"])
ANY = st.one_of(INTS, FLOATS, TEXTS, st.booleans(), st.just([1]), st.just({"a": 1}), st.just(2**70), st.just(10**400))
FIELDS = {
    "i": INTS, "j": INTS, "f": FLOATS, "m": st.one_of(INTS, FLOATS), "n.m": st.one_of(INTS, FLOATS), "t": TEXTS,
    "u": TEXTS, "b": st.booleans(), "an": ANY, "at": ANY, "ab": ANY, "p": ANY, "q": ANY,
}  # fmt: skip
KINDS = {"i": "int", "j": "int", "f": "float", "m": "mixed", "n.m": "mixed", "t": "text", "u": "text", "b": "bool"}
NUMBERS, WORDS, TRUTHS = ["i", "j", "f", "m", "n.m", "an"], ["t", "u", "at"], ["b", "ab"]


def column(kind: str, items: list[Any]) -> Column:
    """Return a column of these items, None being null."""
    absent = np.array([item is None for item in items], bool)
    null = absent if absent.any() else None
    if kind == "any":
        return Column("any", np.fromiter(items, object, len(items)), null)
    filler = {"text": "", "bool": False}.get(kind, 0)
    full = [filler if item is None else item for item in items]
    if kind == "mixed":
        whole = np.array([type(item) is int for item in items], bool)
        ints = np.array([item if type(item) is int else 0 for item in items], np.int64)
        return Column("mixed", np.array(full, float), null, ints, whole)
    dtype = {"int": np.int64, "float": float, "text": object, "bool": bool}[kind]
    return Column(kind, np.array(full, dtype), null)  # type: ignore[arg-type] # one of the kinds above


def binary(ops: list[str], part: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Return trees of one of the operators over two parts."""
    return st.tuples(st.sampled_from(ops), part, part)


def field(names: list[str]) -> st.SearchStrategy[Tree]:
    """Return trees of one field."""
    return st.tuples(st.just("field"), st.sampled_from(names))


def lit(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    """Return trees of one literal."""
    return st.tuples(st.just("lit"), values)


def call(name: str, *parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Return trees of a call."""
    return st.tuples(st.just("call"), st.just(name), *parts)


# Literals of the language are not negative, and neither infinite nor larger than 64 bits.
INT_LITERALS = INTS.filter(lambda value: value >= 0)
NUMBER_LITERALS = st.one_of(INT_LITERALS, FLOATS.filter(lambda value: 0 <= value < float("inf")))
NULL: st.SearchStrategy[Tree] = st.just(("lit", None))
number = st.recursive(
    st.one_of(field(NUMBERS), lit(NUMBER_LITERALS)),
    lambda part: st.one_of(
        binary(["+", "-", "*", "/", "%"], part),
        st.tuples(st.just("neg"), part),
        call("coalesce", st.one_of(part, NULL), part),
    ),
    max_leaves=5,
)
text = st.recursive(
    st.one_of(field(WORDS), lit(TEXTS)),
    lambda part: st.one_of(call("lower", part), call("coalesce", part, st.one_of(part, NULL), part)),
    max_leaves=4,
)
COMPARE = ["==", "!=", "<", "<=", ">", ">="]
PATTERNS = lit(st.sampled_from(["^a", "b$", "[ab]c", "G|a", "", "é", "zz\\\\"]))
condition = st.recursive(
    st.one_of(
        field(TRUTHS),
        lit(st.booleans()),
        binary(COMPARE, number),
        binary(COMPARE, text),
        binary(COMPARE, field(["p", "q"])),
        st.tuples(st.sampled_from(["in", "not in"]), number, st.lists(NUMBER_LITERALS, min_size=1, max_size=11)),
        st.tuples(st.sampled_from(["in", "not in"]), text, st.lists(TEXTS, min_size=1, max_size=3)),
        call("startswith", text, text),
        call("contains", text, text),
        call("matches", text, PATTERNS),
    ),
    lambda part: st.one_of(
        st.tuples(st.just("and"), part, part),
        st.tuples(st.just("or"), part, part, part),
        st.tuples(st.just("not"), part),
        binary(["==", "!="], part),
        call("coalesce", part, part),
    ),
    max_leaves=6,
)
rows = st.lists(st.fixed_dictionaries({}, optional={name: st.none() | of for name, of in FIELDS.items()}), max_size=9)


def columns_of(data: list[dict[str, Any]]) -> dict[str, Column]:
    """Return the rows as columns; a field that no row has is left out."""
    present = {name for row in data for name in row}
    return {name: column(KINDS.get(name, "any"), [row.get(name) for row in data]) for name in sorted(present)}


@settings(max_examples=600, deadline=None)
@given(tree=st.one_of(number, text, condition), data=rows)
@example(tree=("%", ("field", "i"), ("field", "j")), data=[{"i": -(2**63), "j": -1}, {"i": 5, "j": 0}])
@example(tree=("==", ("field", "p"), ("field", "q")), data=[{"p": 2**70, "q": 2.0**70}, {"p": True, "q": 1}])
@example(tree=("neg", ("field", "i")), data=[{"i": -(2**63)}, {"i": 5}, {}])
@example(tree=("+", ("field", "m"), ("field", "n.m")), data=[{"m": 2**63 - 1, "n.m": 1}])
@example(tree=("<", ("field", "m"), ("field", "n.m")), data=[{"m": 2**53, "n.m": 2**53 + 1}, {"m": 0.5, "n.m": 1}])
@example(tree=("in", ("field", "m"), [2**53 + 1]), data=[{"m": 2**53}, {"m": 2**53 + 1}, {"m": 2.0**53}])
@example(tree=("in", ("field", "m"), [2**53 + 1, 2.0**53]), data=[{"m": 2**53}, {"m": 2**53 + 1}, {"m": 2.0**53}])
def test_arrays_equal_rows(tree: Tree, data: list[dict[str, Any]]) -> None:
    """Every expression gives for every row, and with the same type, what plain Python gives for that row alone."""
    expression = compile_expression(show(tree))
    result = expression.evaluate(columns_of(data), len(data))
    expected = [typed(expression.type, value_of(tree, seen(row, expression.uses))) for row in data]
    assert [(type(item), item) for item in result.tolist()] == [(type(item), item) for item in expected]


def seen(row: dict[str, Any], uses: Any) -> dict[str, Any]:
    """Return the row as the expression sees it: a value of another type than a field is used as is null."""
    wanted = {"number": (int, float), "text": (str,), "bool": (bool,)}
    fit = {name: value for name, value in row.items() if type(value) in wanted.get(uses.get(name), (type(value),))}
    return {name: finite(value) if uses.get(name) == "number" else value for name, value in fit.items()}


def typed(kind: str, value: Any) -> Any:
    """Return the value, which must be of the expression's type."""
    wanted: Any = {"number": int | float, "text": str, "bool": bool}.get(kind, object)
    assert value is None or isinstance(value, wanted)
    return value


@settings(max_examples=200, deadline=None)
@given(tree=condition, data=rows)
def test_holds_is_true_and_not_null(tree: Tree, data: list[dict[str, Any]]) -> None:
    """A row holds where the condition is true: neither false nor null does."""
    expression = compile_expression(show(tree), expect="bool")
    columns = columns_of(data)
    holds = expression.holds(columns, len(data))
    assert holds.dtype == bool
    assert holds.tolist() == [item is True for item in expression.evaluate(columns, len(data)).tolist()]


@settings(max_examples=200, deadline=None)
@given(tree=st.one_of(number, text, condition), data=rows, cut=st.integers(0, 9))
def test_rows_do_not_touch_each_other(tree: Tree, data: list[dict[str, Any]], cut: int) -> None:
    """Two halves of a batch give together what the whole gives, whatever else stands in it."""
    expression = compile_expression(show(tree))
    parts = [expression.evaluate(columns_of(part), len(part)).tolist() for part in (data[:cut], data[cut:])]
    assert [*parts[0], *parts[1]] == expression.evaluate(columns_of(data), len(data)).tolist()


@settings(max_examples=200, deadline=None)
@given(tree=st.one_of(number, text, condition), data=rows)
@example(tree=("+", ("field", "m"), ("field", "n.m")), data=[{"m": 2**63 - 1, "n.m": 1}])
def test_columns_are_well_formed(tree: Tree, data: list[dict[str, Any]]) -> None:
    """A result has n rows in every array, its kind's dtype, a null mask only if one is null, and fillers there."""
    result = compile_expression(show(tree)).evaluate(columns_of(data), len(data))
    arrays = [array for array in (result.values, result.null, result.ints, result.integer) if array is not None]
    assert {array.shape for array in arrays} == {(len(data),)}
    dtypes = {"int": np.int64, "float": float, "mixed": float, "bool": bool}
    assert result.values.dtype == dtypes.get(result.kind, object)
    assert (result.kind == "mixed") == (result.ints is not None) == (result.integer is not None)
    if result.null is not None:
        assert result.null.any()
        filler = {"text": "", "bool": False, "any": None}.get(result.kind, 0)
        assert set(result.values[result.null].tolist()) == {filler}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x and y", [True, False, None, False, False, False, None, False, None]),
        ("x or y", [True, True, True, True, False, None, True, None, None]),
        ("not x", [False, False, False, True, True, True, None, None, None]),
    ],
)
def test_logic_has_three_values(text: str, expected: list[bool | None]) -> None:
    """`and`, `or` and `not` follow Kleene: null only where the other side does not decide."""
    values = [True, False, None]
    columns = {"x": column("bool", [x for x in values for _ in values]), "y": column("bool", values * 3)}
    assert compile_expression(text).evaluate(columns, 9).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 1", [2**63 * 1.0, 3, 1.5]),
        ("x * 2", [2.0**64, 4, 1.0]),
        ("x / 2", [float(2**62), 1.0, 0.25]),
        ("x % 2", [1, 0, 0.5]),
        ("x - x", [0, 0, 0.0]),
        ("x / 0", [None, None, None]),
        ("x % 0", [None, None, None]),
        ("1e308 * x * 10", [None, None, None]),
    ],
)
def test_integers_stay_exact_while_they_fit(text: str, expected: list[float | None]) -> None:
    """Integer arithmetic is exact in 64 bits and else a double; division by zero and infinity are null."""
    result = compile_expression(text).evaluate({"x": column("mixed", [2**63 - 1, 2, 0.5])}, 3).tolist()
    assert [(type(item), item) for item in result] == [(type(item), item) for item in expected]


def test_a_missing_field_is_null() -> None:
    """A field without a column is null in every row, so that nothing about it holds, nor its opposite."""
    for text in ("x > 1", "not x > 1", "x == 'a'", "x in [1]", "matches(x, '.')", "x"):
        expression = compile_expression(text, expect="bool")
        assert expression.evaluate({}, 2).tolist() == [None, None]
        assert expression.holds({}, 2).tolist() == [False, False]


def test_text_that_is_no_text_is_null() -> None:
    """A lone surrogate cannot be searched, so that `matches` is null there and the other rows are not disturbed."""
    columns = {"x": column("text", ["a", "\ud800", "b"])}
    assert compile_expression("matches(x, 'a')").evaluate(columns, 3).tolist() == [True, None, False]


def test_patterns_cannot_blow_up() -> None:
    """A pattern that takes a backtracking engine exponential time is answered, and a huge one is refused."""
    columns = {"x": column("text", ["a" * 5000 + "b"])}
    assert compile_expression("matches(x, '^(a+)+$')").evaluate(columns, 1).tolist() == [False]


def test_an_expression_without_fields_has_all_rows() -> None:
    """A constant is spread over the rows, of which there may be none."""
    assert compile_expression("1 + 1").evaluate({}, 3).tolist() == [2, 2, 2]
    assert compile_expression("1 == 1").holds({}, 0).tolist() == []
