"""Expressions as plain tuples, their text, and their value for one row in plain Python: the oracle of the evaluator.

A tree is `("lit", value)`, `("field", name)`, `("neg", x)`, `("not", x)`, `(op, x, y)` for arithmetic and comparison,
`("and" | "or", x, y, ...)`, `("in" | "not in", x, [values])` or `("call", name, x, ...)`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Tree = tuple[Any, ...]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def show(tree: Tree) -> str:
    """Return the tree's text, with a parenthesis around every part."""
    kind, *rest = tree
    if kind == "lit":
        return literal(rest[0])
    if kind == "field":
        return str(rest[0])
    if kind in ("neg", "not"):
        return f"({'-' if kind == 'neg' else 'not'} {show(rest[0])})"
    if kind in ("in", "not in"):
        return f"({show(rest[0])} {kind} [{', '.join(map(literal, rest[1]))}])"
    if kind == "call":
        return f"{rest[0]}({', '.join(map(show, rest[1:]))})"
    return "(" + f" {kind} ".join(map(show, rest)) + ")"


def literal(value: Any) -> str:
    """Return a literal's text."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def value_of(tree: Tree, row: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind of tree
    """Return the tree's value for a row; a field that the row lacks is None."""
    kind, *rest = tree
    if kind == "lit":
        return rest[0]
    if kind == "field":
        return row.get(rest[0])
    if kind in ("and", "or"):
        return kleene(kind, [value_of(part, row) for part in rest])
    if kind == "call" and rest[0] == "coalesce":
        return next((found for part in rest[1:] if (found := value_of(part, row)) is not None), None)
    if kind in ("in", "not in"):
        item = value_of(rest[0], row)
        return None if item is None else any(same(item, each) for each in rest[1]) == (kind == "in")
    values = [value_of(part, row) for part in rest[kind == "call" :]]
    if None in values:
        return None
    return applied(rest[0] if kind == "call" else kind, values)


def applied(kind: str, values: list[Any]) -> Any:
    """Return an operator's or a function's value for values that are not None."""
    if kind == "not":
        return not values[0]
    if kind == "neg":
        return finite(-values[0])
    if kind in _COMPARE:
        return compared(kind, *values)
    if kind in "+-*/%":
        return arithmetic(kind, *values)
    functions: dict[str, Callable[..., Any]] = {
        "startswith": str.startswith,
        "contains": lambda text, part: part in text,
        "matches": lambda text, pattern: re.search(pattern, text) is not None,
        "lower": str.lower,
    }
    return functions[kind](*values)


def finite(value: Any) -> Any:
    """Return an int that fits 64 bits, a finite float, or anything else as it is; None for a number that is neither."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return None
    return None if type(value) is float and not math.isfinite(value) else value


def arithmetic(op: str, left: float, right: float) -> float | None:
    """Return the result on two numbers: exact on integers, else on doubles."""
    if op == "/" or float in (type(left), type(right)):
        left, right = float(left), float(right)
    if op in "/%" and right == 0:
        return None
    functions: dict[str, Callable[[Any, Any], Any]] = {
        "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
    }  # fmt: skip
    result: float | None = finite(functions[op](left, right))
    return result


def family(value: Any) -> str:
    """Return the type of a value in the language's words."""
    return {int: "number", float: "number", str: "text", bool: "bool"}.get(type(value), "other")


def compared(op: str, left: Any, right: Any) -> bool | None:
    """Return a comparison of two values of one type; None for two types."""
    left, right = finite(left), finite(right)
    both = {family(left), family(right)}
    if len(both) > 1 or "other" in both or (both == {"bool"} and op not in ("==", "!=")):
        return None
    if both == {"number"} and float in (type(left), type(right)):
        left, right = float(left), float(right)
    return _COMPARE[op](left, right)


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal."""
    return compared("==", left, right) is True


def kleene(op: str, values: list[bool | None]) -> bool | None:
    """Return `and` or `or` of three-valued logic."""
    decisive = op == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive
