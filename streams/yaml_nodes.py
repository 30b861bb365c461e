"""YAML text -> nodes, from the parser's events: what YAML offers beyond text, lists and mappings is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from streams.nodes import Items, Node, Pairs, Refused, Scalar
from streams.problems import DeclarationError, Place, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 64


def decode(raw: bytes, file: str) -> str:
    """Return the text of a file's bytes.

    Raises:
        DeclarationError: there are too many, or they are not UTF-8.
    """
    if len(raw) > MAX_BYTES:
        message = f"the file is longer than the {MAX_BYTES} bytes of a declaration; split it into several apps"
        raise DeclarationError([Problem(1, 1, message, file)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        head = raw[: error.start].decode("utf-8-sig")
        place = Place(file, head.count("\n") + 1, len(head) - (head.rfind("\n") + 1) + 1)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise DeclarationError([Problem.at(place, message)]) from error


def read(text: str, file: str) -> tuple[Node, list[Problem]]:
    """Return the one document of `text` as a node, and what was refused in it.

    Raises:
        DeclarationError: the text is no YAML, so that nothing can be said of the rest.
    """
    reader = _Reader(file, iter(()))
    try:
        reader.events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        node = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reader.wrong(reader.place(mark), f"this is not YAML: {' '.join(filter(None, (error.context, error.problem)))}")
        raise DeclarationError(reader.problems) from error
    except yaml.reader.ReaderError as error:
        head, character = text[: error.position], text[error.position]
        place = Place(file, head.count("\n") + 1, len(head) - (head.rfind("\n") + 1) + 1)
        raise DeclarationError([Problem.at(place, f"the character {character!r} may not stand in YAML")]) from error
    return node, reader.problems


class _Reader:
    """Builds nodes from events, and keeps what it refuses."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self.file = file
        self.events = events
        self.problems: list[Problem] = []

    def place(self, mark: Any) -> Place:
        """Return where a parser's mark is."""
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file, 1, 1)

    def wrong(self, place: Place, message: str) -> None:
        """Keep a problem."""
        self.problems.append(Problem.at(place, message))

    def document(self) -> Node:
        """Return the document; a second one is refused."""
        node: Node | None = None
        for event in self.events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if node is not None:
                self.wrong(self.place(event.start_mark), "a second document begins here; a declaration is one document")
                break
            node = self.node(next(self.events), 1)
        return node or Scalar("", Place(self.file, 1, 1), plain=True)

    def node(self, event: Any, depth: int) -> Node:
        """Return the node that begins with `event`."""
        place = self.place(event.start_mark)
        if depth > MAX_DEPTH:
            raise DeclarationError([*self.problems, Problem.at(place, f"nested deeper than {MAX_DEPTH} levels")])
        refused = self._refuse(event, place)
        if isinstance(event, yaml.MappingStartEvent):
            node: Node = self._pairs(place, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(place, depth)
        else:
            node = Refused(place) if refused else _scalar(event, place)
        return Refused(place) if refused else node

    def _refuse(self, event: Any, place: Place) -> bool:
        """Report what is not plain YAML at this event."""
        if isinstance(event, yaml.AliasEvent):
            self.wrong(place, f"the alias *{event.anchor} is not allowed here; write the value out")
        elif event.anchor is not None:
            self.wrong(place, f"the anchor &{event.anchor} is not allowed here; write the value out where it is needed")
        elif event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.wrong(place, f"the tag {tag} is not allowed here; write plain text, a list or a mapping")
        else:
            return False
        return True

    def _items(self, place: Place, depth: int) -> Items:
        nodes = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            nodes.append(self.node(event, depth + 1))
        return Items(tuple(nodes), place)

    def _pairs(self, place: Place, depth: int) -> Pairs:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            name = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            if isinstance(name, Refused):
                continue
            if not isinstance(name, Scalar):
                self.wrong(name.place, "a name must be text, not a list or a mapping")
            elif name.text in entries:
                first = entries[name.text][0].place.line
                self.wrong(name.place, f"{name.text!r} is given twice, first in line {first}; keep one of them")
            else:
                entries[name.text] = (name, value)
        return Pairs(tuple(entries.values()), place)


def _scalar(event: Any, place: Place) -> Scalar:
    """Return a scalar, and where its text starts if it stands there as it is."""
    quotes = 0 if event.style is None else 1
    width = event.end_mark.column - event.start_mark.column - 2 * quotes
    as_is = event.end_mark.line == event.start_mark.line and width == len(event.value)
    return Scalar(event.value, place, place.column + quotes if as_is else None, plain=event.style is None)
