"""The syntax tree of an expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf

Scalar = int | float | str | bool | None
ArithmeticOp = OneOf["+", "-", "*", "/", "%"]
CompareOp = OneOf["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Node:
    """One node; `start` and `end` are its place in the text with its parentheses, from 0; a leaf has `height` 1."""

    start: int = field(kw_only=True, compare=False)
    end: int = field(kw_only=True, compare=False)
    height: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Work the height out, so that nobody needs to walk a deep tree to learn that it is too deep."""
        object.__setattr__(self, "height", 1 + max((child.height for child in self.children), default=0))

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes below, left to right."""
        return ()


@dataclass(frozen=True)
class Literal(Node):
    """A number, a text, true, false or null."""

    value: Scalar


@dataclass(frozen=True)
class Field(Node):
    """A field by its dotted path."""

    name: str


@dataclass(frozen=True)
class Negate(Node):
    """`-operand`."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


@dataclass(frozen=True)
class Not(Node):
    """`not operand`."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


@dataclass(frozen=True)
class Arithmetic(Node):
    """`left op right` on numbers."""

    op: ArithmeticOp
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Both operands."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Compare(Node):
    """`left op right`, true or false."""

    op: CompareOp
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Both operands."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Within(Node):
    """`item in [values]`; `not in` is the negation of it."""

    item: Node
    values: tuple[Literal, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The item; the values are leaves of their own kind."""
        return (self.item,)


@dataclass(frozen=True)
class Logic(Node):
    """Two or more operands joined by `and`, or by `or`."""

    op: OneOf["and", "or"]
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True)
class Call(Node):
    """A call of one of the functions."""

    name: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.arguments


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it, a parent before its children, left before right."""
    yield node
    for child in node.children:
        yield from walk(child)
