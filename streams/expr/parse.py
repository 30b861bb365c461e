"""Parses the text of an expression: `or`, `and`, `not`, comparison and `in`, `+ -`, `* / %`, unary `-`."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn, TypeVar, get_args

from streams.expr import syntax
from streams.expr.errors import ExpressionError, did_you_mean
from streams.expr.functions import FUNCTIONS
from streams.expr.syntax import Node
from streams.expr.tokens import Token, number, tokenize, unescape

MAX_DEPTH = 32
"""Most levels of nesting."""
MAX_LIST = 1000
"""Most values of a list."""

CONSTANTS: dict[str, bool | None] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
}  # fmt: skip
_WORDS = {"and", "or", "not", "in"}
_INSTEAD = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "is": "==", "like": "matches(x, 're')", "if": "and"}
_COMPARE = frozenset(get_args(syntax.CompareOp))

_N = TypeVar("_N", bound=Node)


def parse(text: str) -> Node:
    """Return the syntax tree of `text`.

    Raises:
        ExpressionError: where it is no expression, or more than the limits allow.
    """
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens, one method for each level of binding."""

    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self._peek().kind in ("op", "name") and self._peek().text in texts

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str, opening: Token) -> Token:
        if not self._is(text):
            self._fail(f"`{text}` expected for the `{opening.text}` at column {opening.column}")
        return self._take()

    def _fail(self, what: str) -> NoReturn:
        found = f"`{self._peek().text}`" if self._peek().kind != "end" else "the end"
        raise ExpressionError(f"{what}, not {found}", self._peek().column)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._too_deep(self._peek().column)

    @staticmethod
    def _too_deep(column: int) -> NoReturn:
        raise ExpressionError(f"more than {MAX_DEPTH} levels deep; name a part of it with `derive`", column)

    def _checked(self, node: _N) -> _N:
        if node.height > MAX_DEPTH:
            self._too_deep(node.start + 1)
        return node

    def whole(self) -> Node:
        if self._peek().kind == "end":
            raise ExpressionError("the expression is empty", 1)
        node = self._or()
        if self._peek().kind == "name" and self._peek().text in _INSTEAD:
            self._fail(f"write `{_INSTEAD[self._peek().text]}`")
        if self._peek().kind != "end":
            self._fail("an operator or the end expected")
        return node

    def _or(self) -> Node:
        operands = [self._and()]
        while self._is("or"):
            self._take()
            operands.append(self._and())
        return self._logic("or", operands)

    def _and(self) -> Node:
        operands = [self._not()]
        while self._is("and"):
            self._take()
            operands.append(self._not())
        return self._logic("and", operands)

    def _logic(self, op: str, operands: list[Node]) -> Node:
        if len(operands) == 1:
            return operands[0]
        start, end = operands[0].start, operands[-1].end
        node = syntax.Logic("and" if op == "and" else "or", tuple(operands), start=start, end=end)
        return self._checked(node)

    def _not(self) -> Node:
        if not self._is("not"):
            return self._comparison()
        start = self._take().start
        self._deeper()
        operand = self._not()
        self._depth -= 1
        return self._checked(syntax.Not(operand, start=start, end=operand.end))

    def _comparison(self) -> Node:
        left = self._sum()
        if self._is("in"):
            node: Node = self._within(left)
        elif self._is("not"):
            self._take()
            if not self._is("in"):
                self._fail("`in` expected after `not`")
            node = self._within(left)
            node = self._checked(syntax.Not(node, start=left.start, end=node.end))
        elif self._peek().kind == "op" and self._peek().text in _COMPARE:
            op = self._take().text
            right = self._sum()
            node = syntax.Compare(op, left, right, start=left.start, end=right.end)  # type: ignore[arg-type]
        else:
            return left
        if self._peek().text in _COMPARE or self._is("in"):
            self._fail("comparisons do not chain: write `a < b and b < c`")
        return self._checked(node)

    def _within(self, item: Node) -> syntax.Within:
        self._take()
        if not self._is("[", "("):
            self._fail("a list such as `[1, 2]` expected after `in`")
        opening = self._take()
        closing = "]" if opening.text == "[" else ")"
        values: list[syntax.Literal] = []
        while not self._is(closing):
            values.append(self._constant())
            if len(values) > MAX_LIST:
                raise ExpressionError(f"more than {MAX_LIST} values in a list", opening.column)
            if not self._is(","):
                break
            self._take()
        end = self._expect(closing, opening).end
        if not values:
            raise ExpressionError("nothing is in an empty list", opening.column)
        return syntax.Within(item, tuple(values), start=item.start, end=end)

    def _constant(self) -> syntax.Literal:
        start = self._peek().start
        sign = -1 if self._is("-") else 1
        if sign < 0:
            self._take()
        if self._peek().kind == "number":
            token = self._take()
            return syntax.Literal(sign * number(token), start=start, end=token.end)
        if self._peek().kind == "text" and sign > 0:
            token = self._take()
            return syntax.Literal(unescape(token)[0], start=start, end=token.end)
        return self._fail("a number or a text in quotes expected in the list")

    def _sum(self) -> Node:
        left = self._product()
        while self._is("+", "-"):
            left = self._arithmetic(left, self._take(), self._product())
        return left

    def _product(self) -> Node:
        left = self._unary()
        while self._is("*", "/", "%"):
            left = self._arithmetic(left, self._take(), self._unary())
        return left

    def _arithmetic(self, left: Node, op: Token, right: Node) -> Node:
        node = syntax.Arithmetic(op.text, left, right, start=left.start, end=right.end)  # type: ignore[arg-type]
        return self._checked(node)

    def _unary(self) -> Node:
        if not self._is("-", "+"):
            return self._primary()
        sign = self._take()
        self._deeper()
        operand = self._unary()
        self._depth -= 1
        if sign.text == "+":
            raise ExpressionError("a sign `+` is not known; leave it out", sign.column)
        if isinstance(operand, syntax.Literal) and type(operand.value) in (int, float):
            return syntax.Literal(-operand.value, start=sign.start, end=operand.end)  # type: ignore[operator]
        return self._checked(syntax.Negate(operand, start=sign.start, end=operand.end))

    def _primary(self) -> Node:
        token = self._peek()
        if token.kind == "number":
            self._take()
            return syntax.Literal(number(token), start=token.start, end=token.end)
        if token.kind == "text":
            self._take()
            return syntax.Literal(unescape(token)[0], start=token.start, end=token.end)
        if token.kind == "name" and token.text not in _WORDS:
            return self._name(self._take())
        if self._is("("):
            return self._parenthesis(self._take())
        if self._is("["):
            self._fail("a list stands only after `in`")
        return self._fail("a field, a number or a text in quotes expected")

    def _name(self, token: Token) -> Node:
        if self._is("("):
            return self._call(token, self._take())
        if token.text in CONSTANTS:
            return syntax.Literal(CONSTANTS[token.text], start=token.start, end=token.end)
        return syntax.Field(token.text, start=token.start, end=token.end)

    def _parenthesis(self, opening: Token) -> Node:
        self._deeper()
        node = self._or()
        self._depth -= 1
        end = self._expect(")", opening).end
        return replace(node, start=opening.start, end=end)

    def _call(self, name: Token, opening: Token) -> Node:
        if name.text not in FUNCTIONS:
            raise ExpressionError(f"unknown function `{name.text}`{did_you_mean(name.text, FUNCTIONS)}", name.column)
        self._deeper()
        arguments: list[Node] = []
        while not self._is(")"):
            arguments.append(self._or())
            if not self._is(","):
                break
            self._take()
        self._depth -= 1
        end = self._expect(")", opening).end
        return self._checked(syntax.Call(name.text, tuple(arguments), start=name.start, end=end))
