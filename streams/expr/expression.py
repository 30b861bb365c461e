"""An expression that is ready to be evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.codecs.base import FieldType
from streams.expr import syntax
from streams.expr.check import Checker
from streams.expr.convert import CONVERT, truth
from streams.expr.errors import ExpressionError, did_you_mean
from streams.expr.evaluate import evaluate, loader, spread
from streams.expr.functions import Type
from streams.expr.parse import parse
from tables.columns import Column

_WANTED = {"bool": "a condition is needed here", "number": "a number is needed here", "text": "a text is needed here"}


@dataclass(frozen=True)
class Expression:
    """A checked expression; equal to another of the same text.

    Args:
        text: as it was written.
        uses: what each of its fields must be: number, text, bool or any.
        type: what its values are.
        tree: its syntax tree.
    """

    text: str
    uses: Mapping[str, FieldType] = field(compare=False)
    type: Type = field(compare=False)
    tree: syntax.Node = field(compare=False, repr=False)

    @property
    def fields(self) -> frozenset[str]:
        """The fields it reads, as dotted paths."""
        return frozenset(self.uses)

    @property
    def value(self) -> Expression | None:
        """The left side of the first comparison (or `in`), outermost and leftmost first; None if there is none."""
        for node in syntax.walk(self.tree):
            if isinstance(node, syntax.Compare | syntax.Within):
                left = node.left if isinstance(node, syntax.Compare) else node.item
                return _expression(self.text[left.start : left.end], parse(self.text[left.start : left.end]), self.uses)
        return None

    def evaluate(self, columns: Mapping[str, Column], n: int) -> Column:
        """Return its value for each of n rows.

        Args:
            columns: the fields by name, n rows each; one that is missing is null.
            n: the number of rows.
        """
        column = evaluate(self.tree, loader(columns, self.uses, n))
        return spread(CONVERT[self.type](column), n)

    def holds(self, columns: Mapping[str, Column], n: int) -> NDArray[np.bool_]:
        """Return for each of n rows whether the expression is true there; null does not hold."""
        return truth(self.evaluate(columns, n)).values


def compile(  # noqa: A001 - the language's own word, used as `expr.compile`
    text: str,
    types: Mapping[str, FieldType] | None = None,
    *,
    expect: Literal["number", "text", "bool"] | None = None,
    known: Iterable[str] | None = None,
) -> Expression:
    """Parse and check an expression.

    Args:
        text: the expression.
        types: what is known of the fields; those not named may be anything.
        expect: what its value must be, for example `bool` for a condition.
        known: the names there are; None allows any.

    Raises:
        ExpressionError: with the column of the first mistake.
    """
    tree = parse(text)
    if known is not None:
        _refuse_unknown(tree, frozenset(known))
    return _expression(text, tree, types or {}, expect)


def _refuse_unknown(tree: syntax.Node, known: frozenset[str]) -> None:
    for node in syntax.walk(tree):
        if isinstance(node, syntax.Field) and node.name not in known:
            raise ExpressionError(f"there is no `{node.name}` here{did_you_mean(node.name, known)}", node.start + 1)


def _expression(text: str, tree: syntax.Node, types: Mapping[str, str], expect: str | None = None) -> Expression:
    checker = Checker(text, types)
    slot = checker.check(tree)
    if expect is not None:
        checker.require(slot, tree, expect, _WANTED[expect])
    uses: dict[str, FieldType] = {name: of.known for name, of in checker.fields.items()}
    return Expression(text, MappingProxyType(uses), slot.known, tree)
