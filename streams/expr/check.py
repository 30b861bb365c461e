"""Finds the type of every field and operator, and the mistakes that types show, before any row is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from streams.expr import syntax
from streams.expr.errors import ExpressionError
from streams.expr.functions import FUNCTIONS, Type, regex
from streams.expr.syntax import Node

_NAMES = {"number": "a number", "text": "text", "bool": "true or false"}


_SHOWN = 40
"""Most characters of the source in a message."""


@dataclass(slots=True, eq=False)
class Slot:
    """The type of one or more nodes, which may not be known yet; joined slots share the last one's."""

    type: str | None = None
    reason: str = ""
    joined: Slot | None = None

    def last(self) -> Slot:
        """Return the slot that says the type."""
        slot = self
        while slot.joined is not None:
            slot = slot.joined
        return slot

    @property
    def known(self) -> Type:
        """The type; `any` if nothing told it."""
        return self.last().type or "any"  # type: ignore[return-value] # only types of the language are put in


class Checker:
    """Checks one tree; afterwards `fields` tells the slot of each field.

    Args:
        text: the expression, for messages.
        types: what is known of the fields; `number`, `text` and `bool` bind, the rest says nothing.
    """

    def __init__(self, text: str, types: Mapping[str, str]) -> None:
        """Start with no field seen."""
        self._text = text
        self._types = types
        self.fields: dict[str, Slot] = {}

    def check(self, node: Node) -> Slot:  # noqa: PLR0911 - one for each kind of node
        """Return the slot of a node, having checked all below it.

        Raises:
            ExpressionError: a type is needed in one place and another in another.
        """
        match node:
            case syntax.Literal():
                return self._literal(node)
            case syntax.Field():
                return self._field(node)
            case syntax.Compare():
                return self._compare(node)
            case syntax.Within():
                return self._within(node)
            case syntax.Call():
                return self._call(node)
            case syntax.Arithmetic(op=op):
                return self._all(node, "number", f"`{op}` needs numbers")
            case syntax.Negate():
                return self._all(node, "number", "`-` needs a number")
            case syntax.Logic(op=op):
                return self._all(node, "bool", f"`{op}` joins conditions")
            case _:
                return self._all(node, "bool", "`not` needs a condition")

    def require(self, slot: Slot, node: Node, type_: str, why: str) -> None:
        """Make the node be of this type.

        Raises:
            ExpressionError: it is of another.
        """
        last = slot.last()
        if last.type is None:
            last.type, last.reason = type_, f" ({why}, column {node.start + 1})"
        elif last.type != type_:
            hint = _hint(node, last.type, type_, self._show(node))
            self._fail(node, f"{why}, and `{self._show(node)}` is {_NAMES[last.type]}{last.reason}{hint}")

    def _all(self, node: Node, type_: str, why: str) -> Slot:
        for child in node.children:
            self.require(self.check(child), child, type_, why)
        return Slot(type_)

    def _show(self, node: Node) -> str:
        text = self._text[node.start : node.end]
        return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."

    @staticmethod
    def _fail(node: Node, message: str) -> NoReturn:
        raise ExpressionError(message, node.start + 1)

    @staticmethod
    def _literal(node: syntax.Literal) -> Slot:
        value = node.value
        if value is None:
            return Slot()
        return Slot("bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number")

    def _field(self, node: syntax.Field) -> Slot:
        if node.name not in self.fields:
            known = self._types.get(node.name)
            self.fields[node.name] = Slot(known, " by its declaration") if known in _NAMES else Slot()
        return self.fields[node.name]

    def _compare(self, node: syntax.Compare) -> Slot:
        left, right = self.check(node.left), self.check(node.right)
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(side, syntax.Literal) and side.value is None:
                self._fail(side, _null(self._show(other), node.op))
        self._unify(node, left, right, (node.left, node.right))
        if left.known == "bool" and node.op not in ("==", "!="):
            self._fail(node, f"`{node.op}` orders numbers and texts, and `{self._show(node.left)}` is true or false")
        return Slot("bool")

    def _unify(self, node: Node, left: Slot, right: Slot, sides: tuple[Node, Node]) -> None:
        """Make both sides be of one type."""
        one, two = left.last(), right.last()
        if one is two:
            return
        if one.type is not None and two.type is not None:
            if one.type != two.type:
                self._differ(node, sides, (one, two))
            return
        known, unknown = (one, two) if two.type is None else (two, one)
        unknown.joined = known
        if known.type is not None and not known.reason:
            unknown.joined = Slot(known.type, f" (beside `{self._show(sides[0 if known is one else 1])}`, "
                                  f"column {node.start + 1})")  # fmt: skip

    def _differ(self, node: Node, sides: tuple[Node, Node], slots: tuple[Slot, Slot]) -> NoReturn:
        shown = [
            f"`{self._show(side)}`, {_NAMES[slot.type or '']}{slot.reason}"
            for side, slot in zip(sides, slots, strict=True)
        ]
        hint = _hint(sides[1], slots[1].type or "", slots[0].type or "", self._show(sides[1]))
        hint = hint or _hint(sides[0], slots[0].type or "", slots[1].type or "", self._show(sides[0]))
        self._fail(node, f"{shown[0]}, stands beside {shown[1]}; both must be of one type{hint}")

    def _within(self, node: syntax.Within) -> Slot:
        slot = self.check(node.item)
        first = node.values[0]
        kind = self._literal(first).known
        for value in node.values[1:]:
            if self._literal(value).known != kind:
                self._fail(value, f"`{self._show(value)}` stands beside `{self._show(first)}`; "
                                  "a list holds only numbers or only texts")  # fmt: skip
        if slot.known not in ("any", kind):
            hint = _hint(first, kind, slot.known, self._show(first))
            self._fail(first, f"`{self._show(node.item)}` is {_NAMES[slot.known]}{slot.last().reason}, "
                              f"and the list holds {_NAMES[kind]}{hint}")  # fmt: skip
        self.require(slot, node.item, kind, f"`in` a list of {kind}s")
        return Slot("bool")

    def _call(self, node: syntax.Call) -> Slot:
        function = FUNCTIONS[node.name]
        if function.returns is None:
            return self._same(node, function.usage)
        if len(node.arguments) != function.arguments:
            self._fail(node, f"{len(node.arguments)} arguments; write `{function.usage}`")
        for argument in node.arguments:
            self.require(self.check(argument), argument, "text", f"`{node.name}` needs text")
        if function.pattern:
            self._pattern(node.arguments[-1], function.usage)
        return Slot(function.returns)

    def _same(self, node: syntax.Call, usage: str) -> Slot:
        if len(node.arguments) < 2:  # noqa: PLR2004 - a choice is between two
            self._fail(node, f"two or more arguments are needed; write `{usage}`")
        first = self.check(node.arguments[0])
        for argument in node.arguments[1:]:
            self._unify(node, first, self.check(argument), (node.arguments[0], argument))
        return first

    def _pattern(self, node: Node, usage: str) -> None:
        if not isinstance(node, syntax.Literal):
            self._fail(node, f"a pattern is written in quotes, as in `{usage}`")
        try:
            regex(str(node.value))
        except ValueError as error:
            self._fail(node, f"`{self._show(node)}` is not a regular expression (RE2): {error}")


def _null(other: str, op: str) -> str:
    return f"a comparison with null is null, so this never holds; write for example `coalesce({other}, 0) {op} 0`"


def _hint(node: Node, is_: str, needed: str, shown: str) -> str:
    """Return how a literal of one type is written as the other."""
    if not isinstance(node, syntax.Literal):
        return ""
    if is_ == "number" and needed == "text":
        return f"; write '{shown}'"
    value = node.value
    if is_ == "text" and needed == "number" and isinstance(value, str) and value.replace(".", "", 1).isdecimal():
        return f"; write {value}"
    if is_ == "text" and needed == "bool" and isinstance(value, str) and value.lower() in ("true", "false"):
        return f"; write {value.lower()}"
    return ""
