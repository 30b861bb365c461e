"""An aggregate written as one call: `quantile(0.95, "request_time")`."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from streams.expr.errors import ExpressionError, did_you_mean
from streams.expr.expression import compile as compile_expression
from streams.expr.parse import CONSTANTS
from streams.expr.tokens import Token, number, tokenize, unescape
from tables.aggregates import registry
from tables.aggregates.base import Aggregate

OF_TYPES: Mapping[str, Literal["number", "bool"]] = {"number": "number", "condition": "bool"}
"""The type that an aggregate's `of` must have by what it needs; others take any."""
_SAY = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}


@dataclass(frozen=True)
class _Argument:
    """One argument as written; `places` are those of a text's characters in the source."""

    name: str | None
    value: Any
    token: Token
    places: tuple[int, ...] = ()


def call(text: str) -> Aggregate:
    """Return the aggregate that a call says, through the registry of aggregates.

    Args:
        text: the call; its text arguments `of` and `where` are expressions and are checked, too.

    Raises:
        ExpressionError: with the column of the first mistake.
    """
    name, arguments = _Parser(text).whole()
    known: Mapping[str, type[Aggregate]] = registry()
    if name.text not in known:
        raise ExpressionError(f"unknown aggregate `{name.text}`{did_you_mean(name.text, known)}", name.column)
    return _build(known[name.text], name, arguments)


class _Parser:
    """Reads `name(literal, ..., name=literal, ...)`."""

    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text, instead=False)
        self._at = 0

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _fail(self, what: str) -> NoReturn:
        found = f"`{self._peek().text}`" if self._peek().kind != "end" else "the end"
        raise ExpressionError(f"{what}, not {found}", self._peek().column)

    def whole(self) -> tuple[Token, list[_Argument]]:
        if self._peek().kind != "name":
            self._fail('a call such as `count()` or `sum("bytes")` expected')
        name = self._take()
        self._expect("(")
        arguments: list[_Argument] = []
        while self._peek().text != ")":
            arguments.append(self._argument())
            if self._peek().text != ",":
                break
            self._take()
        self._expect(")")
        if self._peek().kind != "end":
            self._fail("one call and nothing more expected")
        return name, arguments

    def _expect(self, text: str) -> None:
        if self._peek().kind != "op" or self._peek().text != text:
            self._fail(f"`{text}` expected")
        self._take()

    def _argument(self) -> _Argument:
        name = None
        if self._peek().kind == "name" and self._tokens[self._at + 1].text == "=":
            name = self._take().text
            self._take()
        token = self._peek()
        value, places = self._literal()
        return _Argument(name, value, token, places)

    def _literal(self) -> tuple[Any, tuple[int, ...]]:
        token = self._take()
        if token.kind == "number":
            return number(token), ()
        if token.kind == "text":
            value, places = unescape(token)
            return value, tuple(places)
        if token.kind == "name" and token.text in CONSTANTS:
            return CONSTANTS[token.text], ()
        if token.text == "-" and self._peek().kind == "number":
            return -number(self._take()), ()
        if token.text == "[":
            return self._list(), ()
        self._at -= 1
        if token.kind == "name":
            raise ExpressionError(f'write a field or an expression in quotes: "{token.text}"', token.column)
        return self._fail("a number or a text in quotes expected")

    def _list(self) -> tuple[Any, ...]:
        values: list[Any] = []
        while self._peek().text != "]":
            values.append(self._literal()[0])
            if self._peek().text != ",":
                break
            self._take()
        self._expect("]")
        return tuple(values)


def _build(kind: type[Aggregate], name: Token, arguments: list[_Argument]) -> Aggregate:
    """Return the aggregate, or say what is wrong with its arguments."""
    given = _bind(kind, arguments)
    hints = get_type_hints(kind.__init__)
    for key, argument in given.items():
        if not _accepts(hints[key], argument.value):
            message = f"`{key}` of {kind.kind} must be {_say(hints[key])}, not {argument.token.text}"
            raise ExpressionError(message, argument.token.column)
    _check_missing(kind, name, given)
    for key in kind.expressions:
        if key in given and given[key].value is not None:
            _check_expression(kind, key, given[key])
    try:
        return kind(**{key: argument.value for key, argument in given.items()})
    except ValueError as error:
        raise ExpressionError(f"{kind.kind}: {error}", name.column) from error


def _bind(kind: type[Aggregate], arguments: list[_Argument]) -> dict[str, _Argument]:
    """Return the arguments by the names of the aggregate's parameters."""
    known = _parameters(kind)
    positions = iter([key for key, parameter in known.items() if parameter.kind is not parameter.KEYWORD_ONLY])
    given: dict[str, _Argument] = {}
    for argument in arguments:
        key = argument.name or next(positions, "")
        if not key:
            raise ExpressionError(f"one argument too many; write `{_usage(kind)}`", argument.token.column)
        if key not in known:
            raise ExpressionError(f"{kind.kind} has no `{key}`{did_you_mean(key, known)}", argument.token.column)
        if key in given:
            raise ExpressionError(f"`{key}` is given twice", argument.token.column)
        given[key] = argument
    return given


def _parameters(kind: type[Aggregate]) -> dict[str, Parameter]:
    """Return the parameters by name, without `of` where the aggregate takes none."""
    known = dict(signature(kind).parameters)
    if kind.needs == "nothing":
        known.pop("of", None)
    return known


def _check_missing(kind: type[Aggregate], name: Token, given: Mapping[str, _Argument]) -> None:
    """Refuse a call without an argument that the aggregate needs."""
    for key, parameter in _parameters(kind).items():
        needed = parameter.default is parameter.empty or (key == "of" and kind.needs not in ("nothing", "maybe"))
        if needed and (key not in given or given[key].value is None):
            what = "a field or an expression" if key == "of" else f"`{key}`"
            raise ExpressionError(f"{kind.kind} needs {what}; write `{_usage(kind)}`", name.column)


def _check_expression(kind: type[Aggregate], key: str, argument: _Argument) -> None:
    """Compile the expression in a text argument; a mistake in it is told at its place in the call."""
    fixed: Mapping[str, Literal["bool", "number"]] = {"where": "bool", "by": "number"}
    expect = fixed.get(key, OF_TYPES.get(kind.needs))
    try:
        compile_expression(argument.value, expect=expect)
    except ExpressionError as error:
        places = argument.places
        place = places[min(error.column - 1, len(places) - 1)]
        raise ExpressionError(f"in `{key}`: {error.message}", place + 1) from error


def _usage(kind: type[Aggregate]) -> str:
    """Return how a call of the aggregate looks."""
    shown = {"of": '"field"', "where": 'where="condition"'}
    return f"{kind.kind}({', '.join(shown.get(key, key) for key in _parameters(kind))})"


def _accepts(hint: Any, value: Any) -> bool:
    """Whether a literal is of the type that a parameter is annotated with."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_accepts(one, value) for one in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, tuple) and all(_accepts(get_args(hint)[0], item) for item in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is (type(None) if hint is None else hint)


def _say(hint: Any) -> str:
    """Return a type for people."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_say(one) for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return "a list"
    return _SAY.get(hint, str(hint))
