"""A declaration before its words have meaning: text, lists and mappings, each with its place.

YAML and Python both become these nodes, and one reader makes the declaration of them: so the two forms cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from streams.problems import Place


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text, untyped: what it means is for its field to say.

    Args:
        text: the text without quotes.
        place: where it begins.
        start: column of its first character if it stands there as it is, on one line; None if escaped or folded.
        plain: whether it stands without quotes.
    """

    text: str
    place: Place
    start: int | None = None
    plain: bool = False

    @property
    def nothing(self) -> bool:
        """Whether this is YAML's way to write no value at all."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def inside(self, offset: int | None) -> Place:
        """Return the place `offset` characters into the text; its beginning if that cannot be told."""
        if offset is None or self.start is None:
            return self.place
        return Place(self.place.file, self.place.line, self.start + min(offset, len(self.text)))


@dataclass(frozen=True, slots=True)
class Items:
    """A list of nodes."""

    nodes: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping, in order; its names are distinct."""

    entries: tuple[tuple[Scalar, Node], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Given:
    """A Python object that stands for itself, such as a window or an aggregate."""

    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Refused:
    """A node that could not be read and was already reported: what depends on it is not."""

    place: Place


Node: TypeAlias = Scalar | Items | Pairs | Given | Refused


def spoken(node: Node) -> str:
    """Return how a message names what it found."""
    if isinstance(node, Scalar):
        return "nothing" if node.nothing else repr(node.text)
    if isinstance(node, Given):
        return f"{node.value!r} ({type(node.value).__name__})"
    return "a list" if isinstance(node, Items) else "a mapping"


def from_python(value: Any, place: Place) -> Node:
    """Return the node that says what a Python value says."""
    if isinstance(value, str):
        return Scalar(value, place)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Scalar(repr(value), place)
    if isinstance(value, Mapping):
        entries = ((Scalar(str(name), place), from_python(each, place)) for name, each in value.items())
        return Pairs(tuple(entries), place)
    if isinstance(value, list | tuple):
        return Items(tuple(from_python(each, place) for each in value), place)
    return Given(value, place)
