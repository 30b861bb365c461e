"""Kinds of values that only tests have: fields of records, moments, series."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.event_time import event_time
from streams.kinds import BROKEN, Json, Kind, Report
from streams.nodes import Items, Node, Pairs, Refused, Scalar
from streams.problems import Path
from streams.rfc3339 import milliseconds
from streams.ruletests.series import parse as parse_series
from streams.ruletests.spec import Moment
from tables.columns import Column
from tables.durations import parse

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False}


@dataclass
class Value(Kind):
    """A value as in JSON: text, number, true, false, null, list or mapping. What is quoted is text."""

    blank: Any = None

    @property
    def words(self) -> str:
        """Return what it is."""
        return "a value as in JSON"

    def read(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value; nothing is null."""
        report.nodes[path] = node
        return self.convert(node, path, report)

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value."""
        if isinstance(node, Scalar):
            return typed(node)
        if isinstance(node, Items):
            return [self.read(each, (*path, index), report) for index, each in enumerate(node.nodes)]
        if isinstance(node, Pairs):
            return {name.text: self.read(each, (*path, name.text), report) for name, each in node.entries}
        if isinstance(node, Refused):
            report.broken.add(path)
            return BROKEN
        return node.value

    def schema(self) -> Json:
        """Return the schema: anything."""
        return {}


def typed(node: Scalar) -> Any:
    """Return what a scalar is in JSON, or text."""
    if not node.plain:
        return node.text
    if node.nothing:
        return None
    if node.text in _WORDS:
        return _WORDS[node.text]
    match = _NUMBER.fullmatch(node.text)
    if match is None:
        return node.text
    return float(node.text) if match[2] or match[3] else int(node.text)


@dataclass
class KeyValue(Value):
    """The value of a table's key: one value, or a list with one for each key field; read as a tuple."""

    blank: Any = ()

    @property
    def words(self) -> str:
        """Return what it is."""
        return "the value of the key field, or a list with one value for each key field"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the values as a tuple."""
        value = Value().convert(node, path, report)
        values = tuple(value) if isinstance(value, list) else (value,)
        if any(isinstance(each, list | dict | None) for each in values):
            return self.wrong(node, path, report)
        return values


@dataclass
class Instant(Kind):
    """A moment: a duration since the test's start, or RFC 3339 text."""

    blank: Any = field(default_factory=lambda: Moment(0))

    @property
    def words(self) -> str:
        """Return how a moment is written."""
        return "a duration since the start of the test, such as 4m30s, or a time such as 2026-01-31T12:00:00Z"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the moment."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        times, valid = milliseconds([node.text])
        if valid[0]:
            return Moment(int(times[0]), absolute=True)
        try:
            return Moment(parse(node.text))
        except ValueError:
            return self.wrong(node, path, report)

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "string"}


@dataclass
class Time(Kind):
    """A time since the epoch, as RFC 3339 text or as a number whose size tells its unit; read as ms."""

    blank: Any = 0

    @property
    def words(self) -> str:
        """Return how it is written."""
        return "a time such as 2026-01-31T12:00:00Z, or a number of seconds or ms since 1970"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return ms since the epoch."""
        value = typed(node) if isinstance(node, Scalar) else None
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return self.wrong(node, path, report)
        holder = np.empty(1, object)
        holder[0] = value
        times, wrong = event_time(Column("any", holder), None, np.full(1, -1), None)
        return self.wrong(node, path, report) if wrong else int(times[0])

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": ["string", "number"]}


@dataclass
class Series(Kind):
    """Numbers in Prometheus' series notation."""

    blank: Any = ()

    @property
    def words(self) -> str:
        """Return how they are written."""
        return "numbers in Prometheus' series notation, such as 0+10x10 _ 5"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the numbers, None where there is none."""
        if not isinstance(node, Scalar):
            return self.wrong(node, path, report)
        try:
            return parse_series(node.text)
        except ValueError as error:
            return report.wrong(path, node, str(error))

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": ["string", "number"]}


@dataclass
class Share(Kind):
    """A number from 0 up, such as 0.01."""

    blank: Any = 0.0

    @property
    def words(self) -> str:
        """Return what it is."""
        return "a number of at least 0, such as 0.01"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the number."""
        value = typed(node) if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            return self.wrong(node, path, report)
        return float(value)

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "number", "minimum": 0}


@dataclass
class Flag(Kind):
    """True or false."""

    blank: Any = False

    @property
    def words(self) -> str:
        """Return both."""
        return "true or false"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Return the bool."""
        if not isinstance(node, Scalar) or node.text not in _WORDS:
            return self.wrong(node, path, report)
        return _WORDS[node.text]

    def schema(self) -> Json:
        """Return the schema."""
        return {"enum": [True, False, *_WORDS]}


@dataclass
class Refusal(Kind):
    """What Prometheus' layout has and tests here have not; says why."""

    why: str

    @property
    def words(self) -> str:
        """Return that it is nothing."""
        return "left out"

    def convert(self, node: Node, path: Path, report: Report) -> Any:
        """Report it."""
        return report.wrong(path, node, self.why)

    def schema(self) -> Json:
        """Return the schema of nothing."""
        return {"not": {}}
