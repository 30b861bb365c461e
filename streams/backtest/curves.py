"""What rules compare, over time: both sides of every comparison of numbers, for each window that closed."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.expr import Expression, compile, syntax  # noqa: A004 - the language's own word
from tables.windows import steps

if TYPE_CHECKING:
    from streams.codecs.base import FieldType
    from streams.planned import Plan, RulePlan
    from streams.rules.rows import Rows
    from tables.columns import Column

Floats = NDArray[np.float64]
_NUMBERS = ("int", "float", "mixed")


@dataclass(frozen=True)
class Comparison:
    """One comparison of a rule: what stands on its left and on its right."""

    left: Expression
    op: str
    right: Expression
    constant: float | None


@dataclass(frozen=True)
class Curve:
    """Both sides of a comparison for one key.

    Args:
        text: the comparison.
        left: text of the left side.
        right: text of the right side.
        times: shape (n,), window ends in ms.
        values: shape (n,), the left side; NaN where it is null.
        limits: shape (n,), the right side.
        constant: the right side where it is a number.
    """

    text: str
    left: str
    right: str
    times: NDArray[np.int64]
    values: Floats
    limits: Floats
    constant: float | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One closed window: its end, its keys (rising), and both sides of each comparison."""

    end: int
    keys: Sequence[bytes]
    sides: list[tuple[Floats, Floats]]


class Recorder:
    """Keeps what rules compare while a replay runs.

    Args:
        plan: whose rules.
    """

    def __init__(self, plan: Plan) -> None:
        """Find the comparisons of every rule."""
        self._rules = {
            table.name: [(rule, comparisons(rule)) for rule in table.rules] for table in plan.tables.values()
        }  # fmt: skip
        self._steps_of = {table.name: steps(table.table.window) for table in plan.tables.values()}
        self._steps: dict[tuple[str, int], list[_Step]] = defaultdict(list)

    def closed(self, table: str, partition: int, rows: Rows) -> None:
        """Take the rows of a window that closes."""
        for rule, found in self._rules[table]:
            if found and len(rows):
                columns = rows.columns(rule.expr.uses)
                sides = [(_floats(each.left, columns, rows), _floats(each.right, columns, rows)) for each in found]
                self._steps[rule.id, partition] += self._steps_in(table, rows, sides)

    def _steps_in(self, table: str, rows: Rows, sides: list[tuple[Floats, Floats]]) -> list[_Step]:
        """Return the steps of rows: one of all their keys, or one each where each has a window of its own."""
        if rows.spans is None:
            return [_Step(self._steps_of[table].end(rows.window), rows.keys, sides)]
        ends = self._steps_of[table]
        each = zip(rows.spans, rows.keys, range(len(rows)), strict=True)
        return [
            _Step(ends.end(span.number), [key], [(left[at : at + 1], right[at : at + 1]) for left, right in sides])
            for span, key, at in each
        ]

    def curves(self, rule: str, partition: int, key: bytes) -> Iterator[Curve]:
        """Yield a curve for each comparison of a rule, for one key."""
        found = [(step, at) for step in self._steps[rule, partition] if (at := _index(step.keys, key)) is not None]
        times = np.array([step.end for step, _ in found], np.int64)
        for number, each in enumerate(self._comparisons(rule)):
            sides = np.array([[side[at] for side in step.sides[number]] for step, at in found]).reshape(-1, 2)
            text = f"{each.left.text} {each.op} {each.right.text}"
            yield Curve(text, each.left.text, each.right.text, times, sides[:, 0], sides[:, 1], each.constant)

    def _comparisons(self, rule: str) -> list[Comparison]:
        return [one for rules in self._rules.values() for each, found in rules if each.id == rule for one in found]


def comparisons(rule: RulePlan) -> list[Comparison]:
    """Return the comparisons of numbers in a rule's condition, left to right."""
    text, types = rule.expr.text, rule.expr.uses
    found = []
    for node in syntax.walk(rule.expr.tree):
        if isinstance(node, syntax.Compare):
            left, right = (_part(text, side, types) for side in (node.left, node.right))
            constant = _constant(node.right)
            if left.type == "number" or right.type == "number":
                found.append(Comparison(left, node.op, right, constant))
    return found


def _part(text: str, node: syntax.Node, types: Mapping[str, FieldType]) -> Expression:
    return compile(text[node.start : node.end], types)


def _constant(node: syntax.Node) -> float | None:
    if isinstance(node, syntax.Negate):
        inner = _constant(node.operand)
        return None if inner is None else -inner
    if isinstance(node, syntax.Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def _floats(expression: Expression, columns: Mapping[str, Column], rows: Rows) -> Floats:
    """Return an expression's values as floats, NaN where they are null or no numbers."""
    column = expression.evaluate(columns, len(rows))
    if column.kind not in _NUMBERS:
        return np.full(len(rows), np.nan)
    values = column.values.astype(np.float64)
    return values if column.null is None else np.where(column.null, np.nan, values)


def _index(keys: Sequence[bytes], key: bytes) -> int | None:
    at = bisect_left(keys, key)
    return at if at < len(keys) and keys[at] == key else None
