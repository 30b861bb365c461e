"""Kinds of lists and mappings in a declaration, and the sections that its objects are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.kinds import BROKEN, Choice, Json, Kind, Report, Text, last_name
from streams.nodes import Given, Items, Node, Pairs, Scalar, spoken
from streams.problems import Path, nearest, suggest


@dataclass
class Names(Kind):
    """One name or a list of names, none twice; read as a tuple."""

    item: Text
    least: int = 0
    blank: Any = ()

    @property
    def words(self) -> str:
        """Return what the names are."""
        return f"{self.item.words}, or a list of them"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the names as a tuple."""
        nodes = node.nodes if isinstance(node, Items) else (node,)
        if isinstance(node, Pairs | Given) or len(nodes) < self.least:
            found = "an empty list" if isinstance(node, Items) else spoken(node)
            return report.wrong(path, node, f"{last_name(path)} must be {self.words}, not {found}")
        names: list[Any] = []
        for index, each in enumerate(nodes):
            name = self.item.read(each, (*path, index), report)
            if name in names and name is not BROKEN:
                report.wrong((*path, index), each, f"{name!r} is given twice in {last_name(path)}; keep one of them")
            names.append(name)
        return tuple(name for name in names if name is not BROKEN)

    def schema(self) -> Json:
        """Return the schema."""
        item = self.item.schema()
        return {"anyOf": [item, {"type": "array", "items": item, "minItems": self.least, "uniqueItems": True}]}


@dataclass
class ByName(Kind):
    """A mapping of free names to values of one kind.

    Args:
        name: what each name must be.
        item: what each value must be.
        what: what the mapping is.
        reserved: names that may not be used, and why.
    """

    name: Text
    item: Kind
    what: str
    reserved: Mapping[str, str] = field(default_factory=dict)
    blank: Any = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return what it is."""
        return self.what

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the values by name, in order."""
        if not isinstance(node, Pairs):
            return self.wrong(node, path, report)
        values = {}
        for name, each in node.entries:
            self._check_name(name, path, report)
            value = self.item.read(each, (*path, name.text), report)
            if value is not BROKEN:
                values[name.text] = value
        return values

    def _check_name(self, name: Scalar, path: Path, report: Report) -> None:
        """Report a name that is not allowed; what it names is read all the same."""
        if not re.fullmatch(self.name.pattern or ".*", name.text):
            report.wrong((*path, name.text), name, f"{name.text!r} is not {self.name.words}; {self.name.hint}")
        elif name.text in self.reserved:
            report.wrong((*path, name.text), name, f"{name.text!r} may not be a name here: {self.reserved[name.text]}")

    def schema(self) -> Json:
        """Return the schema."""
        names: Json = {"pattern": f"^(?:{self.name.pattern})$"} if self.name.pattern else {}
        if self.reserved:
            names["not"] = {"enum": sorted(self.reserved)}
        return {"type": "object", "propertyNames": names, "additionalProperties": self.item.schema()}


@dataclass
class ListOf(Kind):
    """A list of values of one kind; read as a tuple."""

    item: Kind
    what: str
    blank: Any = ()

    @property
    def words(self) -> str:
        """Return what it is."""
        return self.what

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the values that could be read."""
        if not isinstance(node, Items):
            return self.wrong(node, path, report)
        values = [self.item.read(each, (*path, index), report) for index, each in enumerate(node.nodes)]
        return tuple(value for value in values if value is not BROKEN)

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "array", "items": self.item.schema()}


@dataclass(frozen=True)
class Key:
    """One key of a section.

    Args:
        name: as it is written.
        kind: what its value must be.
        doc: one or two sentences for the reference.
        default: what is meant where the key is missing, for the reference; None is a key that must be given.
        argument: what its value is called in Python; None is `name`, with `_` added to keywords.
    """

    name: str
    kind: Kind
    doc: str
    default: str | None = None
    argument: str | None = None


@dataclass
class Section(Kind):
    """A mapping of known keys, of which one object is made.

    Args:
        what: what the section declares.
        keys: its keys.
        make: called with the values of the keys that are there; it may raise ValueError.
        named: whether `make` is also told the name under which the section stands.
    """

    what: str
    keys: tuple[Key, ...]
    make: Callable[..., Any]
    named: bool = False

    @property
    def words(self) -> str:
        """Return what the section is."""
        return f"a mapping with the keys of {self.what} ({', '.join(key.name for key in self.keys)})"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the object, made as far as it can be; BROKEN if it cannot."""
        if not isinstance(node, Pairs):
            self.wrong(node, path, report)
        values = {"name": path[-1]} if self.named else {}
        before = len(report.problems)
        self._values(node, path, report, values)
        self._missing(node, path, report, values)
        try:
            return self.make(**values)
        except ValueError as error:
            # What a broken key leads to is not said as well.
            return report.wrong(path, node, str(error)) if len(report.problems) == before else BROKEN

    def _values(self, node: Node, path: Path, report: Report, values: dict[str, Any]) -> None:
        """Read the keys that are there."""
        known = {key.name: key for key in self.keys}
        for name, each in node.entries if isinstance(node, Pairs) else ():
            if name.text not in known:
                message = f"{self.what} has no key {name.text!r}{suggest(name.text, known)}"
                report.wrong((*path, name.text), name, message)
                report.broken.add((*path, nearest(name.text, known) or name.text))
                continue
            key = known[name.text]
            value = key.kind.read(each, (*path, key.name), report)
            if value is not BROKEN:
                values[key.argument or key.name] = value

    def _missing(self, node: Node, path: Path, report: Report, values: dict[str, Any]) -> None:
        """Report the keys that must be there; something stands for each, so that the rest can be looked at."""
        for key in self.keys:
            argument = key.argument or key.name
            if key.default is not None or argument in values:
                continue
            values[argument] = key.kind.blank
            if isinstance(node, Pairs) and (*path, key.name) not in report.broken:
                report.wrong((*path, key.name), node, f"{self.what} needs `{key.name}`: {key.kind.words}")
            report.broken.add((*path, key.name))

    def schema(self) -> Json:
        """Return the schema."""
        properties = {key.name: {**key.kind.schema(), "description": key.doc} for key in self.keys}
        required = [key.name for key in self.keys if key.default is None]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


@dataclass
class Either(Kind):
    """A short form, or a mapping that says more.

    Args:
        short: the kind of the short form.
        full: the mapping.
        make: makes of the short form's value what the mapping would be.
        given: the class of Python objects that stand for themselves.
    """

    short: Kind
    full: Section
    make: Callable[[Any], Any]
    given: type | None = None

    @property
    def words(self) -> str:
        """Return both forms."""
        return f"{self.short.words}, or {self.full.words}"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value of whichever form is written."""
        if isinstance(node, Given) and self.given and isinstance(node.value, self.given):
            return node.value
        if isinstance(node, Pairs):
            return self.full.convert(node, path, report)
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        value = self.short.convert(node, path, report if isinstance(self.short, Text) else Report())
        if value is BROKEN and path not in report.broken:
            words = self.short.options if isinstance(self.short, Choice) else ()
            near = suggest(node.text, words) if nearest(node.text, words) else ""
            return report.wrong(path, node, f"{last_name(path)} must be {self.words}, not {spoken(node)}{near}")
        return value if value is BROKEN else self.make(value)

    def schema(self) -> Json:
        """Return the schema."""
        return {"anyOf": [self.short.schema(), self.full.schema()]}
