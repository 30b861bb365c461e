"""Kinds of single values in a declaration: how each is read from a node, and what JSON Schema says of it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Final

from streams.nodes import Node, Refused, Scalar, spoken
from streams.problems import DeclarationError, Path, Problem, nearest, suggest
from tables.durations import UNITS, parse

Json = dict[str, Any]


class _Broken:
    """The value of what could not be read."""


BROKEN: Final = _Broken()


@dataclass
class Report:
    """What was found out while a declaration was read.

    Args:
        problems: the mistakes.
        nodes: what stands at each path.
        broken: the paths that could not be read; nothing that depends on them is reported.
    """

    problems: list[Problem] = field(default_factory=list)
    nodes: dict[Path, Node] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)

    def wrong(self, path: Path, node: Node, message: str, offset: int | None = None) -> _Broken:
        """Keep the mistake `message` of `node`, which stands at `path`."""
        place = node.inside(offset) if isinstance(node, Scalar) else node.place
        self.problems.append(Problem.at(place, message))
        self.broken.add(path)
        return BROKEN

    def stop(self) -> None:
        """Raise DeclarationError if there was any mistake."""
        if self.problems:
            raise DeclarationError(self.problems)


class Kind(ABC):
    """What a value must be; `blank` stands for a broken one that is needed."""

    blank: Any = ""

    @property
    @abstractmethod
    def words(self) -> str:
        """Return what the value must be, as messages and documents say it."""

    def read(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value of `node`; BROKEN after reporting why it has none."""
        report.nodes[path] = node
        if isinstance(node, Refused):
            report.broken.add(path)
            return BROKEN
        if isinstance(node, Scalar) and node.nothing:
            otherwise = ", or leave the key out" if path else ""
            return report.wrong(path, node, f"{last_name(path)} is empty; give {self.words}{otherwise}")
        return self.convert(node, path, report)

    @abstractmethod
    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value of a node that is neither empty nor refused; BROKEN after reporting why it has none."""

    @abstractmethod
    def schema(self) -> Json:
        """Return the JSON Schema of the value."""

    def wrong(self, node: Node, path: Path, report: Report) -> _Broken:
        """Report that `node` is not what it must be."""
        return report.wrong(path, node, f"{last_name(path)} must be {self.words}, not {spoken(node)}")


def last_name(path: Path) -> str:
    """Return the last name of a path, as a message says it."""
    names = [str(part) for part in path if isinstance(part, str)]
    return f"`{names[-1]}`" if names else "the file"


@dataclass
class Text(Kind):
    """One text; with a pattern, one that matches it as a whole. `hint` says what to write instead."""

    what: str = "text"
    pattern: str | None = None
    hint: str = ""

    @property
    def words(self) -> str:
        """Return what it is."""
        return self.what

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the text."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        if self.pattern and not re.fullmatch(self.pattern, node.text):
            message = f"{node.text!r} is not {self.what}" + (f"; {self.hint}" if self.hint else "")
            return report.wrong(path, node, message)
        return node.text

    def schema(self) -> Json:
        """Return the schema: any scalar where no pattern is asked for, since all are read as text."""
        if self.pattern:
            return {"type": "string", "pattern": f"^(?:{self.pattern})$"}
        return {"type": ["string", "number", "boolean"]}


@dataclass
class Duration(Kind):
    """A duration in ms. `never` says whether that word is one (None); `least` is the shortest."""

    never: bool = False
    least: int = 0
    blank: Any = 0

    @property
    def words(self) -> str:
        """Return what a duration looks like."""
        return "a duration such as 500ms, 30s, 5m or 1h30m" + (", or `never`" if self.never else "")

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the milliseconds; None for `never`."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        if self.never and node.text == "never":
            return None
        try:
            length = parse(node.text)
        except ValueError:
            return report.wrong(path, node, f"{node.text!r} is not {self.words}{_unit(node.text)}")
        if length < self.least:
            return report.wrong(path, node, f"{last_name(path)} must be longer than {node.text!r}")
        return length

    def schema(self) -> Json:
        """Return the schema."""
        units = "".join(f"([0-9]+{unit})?" for unit in ("w", "d", "h", "m", "s", "ms"))
        pattern = f"^(?=.)(0|{units}{'|never' if self.never else ''})$"
        return {"anyOf": [{"type": "string", "pattern": pattern}, {"const": 0}]}


def _unit(text: str) -> str:
    """Return what to add to a number without a unit, or to one that is written out."""
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower())
    if not match:
        return ""
    word = match[2] if match[2] in _UNITS else match[2].removesuffix("s")
    return f"; did you mean '{match[1]}{_UNITS[word]}'?" if word in _UNITS else ""


_UNITS = {name: name for name in UNITS} | {"": "s", "millisecond": "ms", "msec": "ms", "second": "s", "sec": "s"}
_UNITS |= {"minute": "m", "min": "m", "hour": "h", "hr": "h", "day": "d", "week": "w"}


@dataclass
class Integer(Kind):
    """A whole number of at least `least`."""

    least: int = 0
    blank: Any = 0

    @property
    def words(self) -> str:
        """Return what the number must be."""
        return f"a whole number of at least {self.least}"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the number."""
        if not isinstance(node, Scalar) or not re.fullmatch(r"\d{1,18}", node.text) or int(node.text) < self.least:
            return self.wrong(node, path, report)
        return int(node.text)

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "integer", "minimum": self.least}


@dataclass
class Choice(Kind):
    """One of a few words."""

    options: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return the options."""
        return " or ".join(", ".join(self.options).rsplit(", ", 1))

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the word."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        if node.text not in self.options:
            near = suggest(node.text, self.options) if nearest(node.text, self.options) else ""
            return report.wrong(path, node, f"{last_name(path)} must be {self.words}, not {node.text!r}{near}")
        return node.text

    def schema(self) -> Json:
        """Return the schema."""
        return {"enum": list(self.options)}
