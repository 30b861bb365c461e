"""The functions of the language."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any, Literal

import numpy as np
import re2

from streams.expr.convert import NUMBERS, anything, either, flags, objects, parts, simplest
from tables.columns import Column

Type = Literal["number", "text", "bool", "any"]

_MEMORY = 1 << 20
"""Bytes that a compiled pattern and its cache of states may take; a larger pattern is refused."""


@dataclass(frozen=True)
class Function:
    """One function.

    Args:
        usage: how a call of it looks.
        returns: its type; None is the type of its arguments, which are then all of one type, two or more.
        evaluate: from the argument columns (n rows, or one for a constant) to the result.
        arguments: how many text arguments it takes, where `returns` is not None.
        pattern: whether the last argument is a regular expression, which must be written as a literal.
    """

    usage: str
    returns: Type | None
    evaluate: Callable[..., Column]
    arguments: int = 0
    pattern: bool = False


@lru_cache(maxsize=1024)
def regex(pattern: str) -> Any:
    """Return the compiled RE2 pattern, which matches in linear time whatever it is.

    Raises:
        ValueError: the pattern is not one, or needs too much memory.
    """
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from error
    except UnicodeError as error:
        raise ValueError("the pattern is not valid text") from error


def _texts(column: Column, n: int) -> Any:
    return column.values.tolist() if len(column) == n else repeat(column.values[0], n)


def _test(function: Callable[[str, str], bool], column: Column, part: Column) -> Column:
    """Return `function(text, part)` for each row, False where null."""
    n = max(len(column), len(part)) if len(column) and len(part) else 0
    values = flags(map(function, _texts(column, n), _texts(part, n)), n)
    null = either(column.null, part.null)
    return Column("bool", values if null is None else values & ~null, null)


def _startswith(column: Column, prefix: Column) -> Column:
    return _test(str.startswith, column, prefix)


def _contains(column: Column, part: Column) -> Column:
    return _test(operator.contains, column, part)


def _matches(column: Column, pattern: Column) -> Column:
    """Search each distinct text once: a search costs a hundred times a look-up."""
    search = regex(pattern.values[0]).search
    items = column.values.tolist()
    found: dict[str, bool] = {}
    invalid: set[str] = set()
    for item in dict.fromkeys(items):
        try:
            found[item] = search(item) is not None
        except UnicodeError:
            found[item] = False
            invalid.add(item)
    values = flags(map(found.__getitem__, items), len(items))
    null = column.null
    if invalid:
        null = either(null, flags(map(invalid.__contains__, items), len(items)))
    return Column("bool", values if null is None else values & ~null, null)


def _lower(column: Column) -> Column:
    return Column("text", objects(list(map(str.lower, column.values.tolist()))), column.null)


def _coalesce(*columns: Column) -> Column:
    result = columns[0]
    for column in columns[1:]:
        if result.null is None:
            break
        result = _first(result, column)
    return result


def _first(left: Column, right: Column) -> Column:
    """Return `left`, and `right` where `left` is null."""
    take: Any = left.null
    null = None if right.null is None else take & right.null
    if left.kind in NUMBERS and right.kind in NUMBERS and "mixed" in (left.kind, right.kind, _join(left, right)):
        pairs = zip(parts(left), parts(right), strict=True)
        floats, ints, integer = (np.where(take, new, old) for old, new in pairs)
        return simplest(floats, ints, integer, null)
    if left.kind != right.kind:
        left, right = anything(left), anything(right)
    return Column(left.kind, np.where(take, right.values, left.values), null)


def _join(left: Column, right: Column) -> str:
    return left.kind if left.kind == right.kind else "mixed"


FUNCTIONS: dict[str, Function] = {
    "startswith": Function("startswith(x, 'a')", "bool", _startswith, 2),
    "contains": Function("contains(x, 'a')", "bool", _contains, 2),
    "matches": Function("matches(x, 're')", "bool", _matches, 2, pattern=True),
    "lower": Function("lower(x)", "text", _lower, 1),
    "coalesce": Function("coalesce(x, y)", None, _coalesce),
}
"""By name."""
