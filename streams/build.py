"""The Python form of a declaration: the same words, read by the same reader as YAML, so that the objects are equal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path as FilePath
from types import FrameType
from typing import Any, Literal

from streams.check import check
from streams.fields import ALERT, FILE, LOOKUP, NAME, STREAM, TABLE
from streams.kinds import Kind, Report
from streams.located import located
from streams.nodes import Node, Pairs, Scalar, from_python
from streams.problems import DeclarationError, Finding, Path, Place, Problem, suggest
from streams.shapes import Section
from streams.spec import Alert, Declaration, LookupTable, Stream, TimeField
from tables.aggregates.base import Aggregate
from tables.spec import Emit, Table
from tables.windows import Window

Names = str | Sequence[str]


class Builder:
    """Collects streams, tables and alerts; `declaration` is all of them.

    Args:
        app: the app's id: its consumer group, and the prefix of its topics.
        kafka: settings by librdkafka's names.
        topics: other names for the app's own topics: `alerts`, `dead_letters`.

    Raises:
        DeclarationError: a name or topic is not one, with file and line of the call.
    """

    def __init__(
        self, app: str, *, kafka: Mapping[str, str | int] | None = None, topics: Mapping[str, str] | None = None
    ) -> None:
        """Start with nothing declared."""
        place = _caller()
        whole = from_python({"app": {"id": app, **(topics or {})}, "kafka": dict(kafka or {})}, place)
        report = Report()
        self._empty: Declaration = FILE.read(whole, (), report)
        report.stop()
        self._nodes: dict[Path, Node] = report.nodes
        self._streams: dict[str, Stream] = {}
        self._tables: dict[str, Table] = {}
        self._lookups: dict[str, LookupTable] = {}
        self._alerts: list[Alert] = []

    def adopt(self, declaration: Declaration) -> None:
        """Go on from a declaration that was made before, as if its parts had been declared here."""
        self._empty = declaration
        self._streams = dict(declaration.streams)
        self._tables = dict(declaration.tables)
        self._lookups = dict(declaration.lookups)
        self._alerts = list(declaration.alerts)

    @property
    def declaration(self) -> Declaration:
        """Return what was declared so far."""
        return Declaration(
            app=self._empty.app,
            streams=self._streams,
            tables=self._tables,
            alerts=tuple(self._alerts),
            kafka=self._empty.kafka,
            topics=self._empty.topics,
            lookups=self._lookups,
        )

    def stream(  # noqa: PLR0913 - the keys of a stream
        self,
        name: str,
        *,
        topic: str,
        codec: str = "json",
        time: str | TimeField | Mapping[str, str] | None = None,
        key: Names = (),
        where: str | None = None,
        derive: Mapping[str, str] | None = None,
        idle: str = "1m",
        max_ahead: str = "1h",
        join: Mapping[str, str] | None = None,
    ) -> Stream:
        """Declare a stream; see `Stream` for what each argument means. Durations are text, such as "30s".

        Raises:
            DeclarationError: an argument is not what it must be, with file and line of the call.
        """
        options = {"topic": topic, "codec": codec, "time": time, "key": key, "where": where, "derive": derive}
        options |= {"idle": idle, "max_ahead": max_ahead, "join": join}
        made: Stream = self._named(STREAM, ("streams", name), options, self._streams)
        self._streams[name] = made
        return made

    def lookup(  # noqa: PLR0913 - the keys of a lookup
        self,
        name: str,
        *,
        key: str,
        file: str | None = None,
        topic: str | None = None,
        codec: str = "json",
        max_rows: int = 1_000_000,
    ) -> LookupTable:
        """Declare a lookup; see `LookupTable` for what each argument means.

        Raises:
            DeclarationError: an argument is not what it must be, with file and line of the call.
        """
        options = {"file": file, "topic": topic, "codec": codec, "key": key, "max_rows": max_rows}
        made: LookupTable = self._named(LOOKUP, ("lookups", name), options, self._lookups)
        self._lookups[name] = made
        return made

    def table(  # noqa: PLR0913 - the keys of a table
        self,
        name: str,
        *,
        from_: Stream | Table | str | Sequence[Stream | Table | str],
        key: Names,
        window: Window | Mapping[str, str] | None = None,
        keep: str = "24h",
        where: str | None = None,
        derive: Mapping[str, str] | None = None,
        late: str | None = None,
        expose: Names = (),
        standby: int = 0,
        emit: Literal["none", "close", "update"] | Emit | Mapping[str, str] = "none",
        to: str | None = None,
        changelog: str | None = None,
        max_keys: int = 1_000_000,
        unique: Names = (),
        within: str | None = None,
        max_ids: int = 4_000_000,
        aggregates: Mapping[str, Aggregate | str] | None = None,
        **columns: Any,
    ) -> Table:
        """Declare a table; its aggregates come as keywords, or in `aggregates`. See `Table` for the other arguments.

        Raises:
            DeclarationError: an argument is not what it must be, with file and line of the call.
        """
        kept = _columns(aggregates, columns)
        options = {"from": _names(from_), "key": key, "window": window, "keep": keep, "where": where, "derive": derive}
        options |= {"late": late, "expose": expose, "standby": standby, "emit": emit, "to": to, "changelog": changelog}
        options |= {"max_keys": max_keys, "unique": unique, "within": within, "max_ids": max_ids, "aggregates": kept}
        made: Table = self._named(TABLE, ("tables", name), options, self._tables)
        self._tables[name] = made
        return made

    def alert(  # noqa: PLR0913 - the keys of an alert
        self,
        name: str,
        *,
        table: Table | str,
        expr: str,
        for_: str = "0s",
        keep_firing_for: str = "0s",
        limit: int = 0,
        judge: Literal["close", "update"] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        to: str | None = None,
    ) -> Alert:
        """Declare an alert; see `Alert` for what each argument means.

        Raises:
            DeclarationError: an argument is not what it must be, with file and line of the call.
        """
        options = {"alert": name, "table": _name(table), "expr": expr, "for": for_, "keep_firing_for": keep_firing_for}
        options |= {"limit": limit, "judge": judge, "labels": labels, "annotations": annotations, "to": to}
        made: Alert = self._read(ALERT, ("alerts", len(self._alerts)), options)
        self._alerts.append(made)
        return made

    def check(self) -> None:
        """Check that all that was declared fits together.

        Raises:
            DeclarationError: every mistake, each with file and line of the call that declared it.
        """
        if findings := check(self.declaration):
            raise self.error(findings)

    def error(self, findings: Sequence[Finding]) -> DeclarationError:
        """Return the error that findings in the declaration are."""
        return DeclarationError(located(each, self._nodes) for each in findings)

    def _named(self, section: Section, path: Path, options: Mapping[str, Any], taken: Mapping[str, Any]) -> Any:
        """Return the object of a section, whose name must be a new one."""
        place, name = _caller(), str(path[-1])
        report = Report()
        NAME.read(from_python(name, place), path, report)
        if name in taken:
            report.wrong(path, Scalar(name, place), f"{name!r} is declared twice in {path[0]}; rename one of them")
        report.stop()
        return self._read(section, path, options)

    def _read(self, section: Kind, path: Path, options: Mapping[str, Any]) -> Any:
        """Return the object of a section, read as it is from YAML."""
        place = _caller()
        given = {name: value for name, value in options.items() if value is not None and value not in ((), {})}
        report = Report()
        made = section.read(_pairs(given, place), path, report)
        report.stop()
        self._nodes |= report.nodes
        return made


_PACKAGE = FilePath(__file__).parent
_OPTIONS = tuple(key.name for key in TABLE.keys)


def _pairs(given: Mapping[str, Any], place: Place) -> Pairs:
    """Return options as a mapping of nodes."""
    return Pairs(tuple((Scalar(name, place), from_python(value, place)) for name, value in given.items()), place)


def _columns(aggregates: Any, columns: Mapping[str, Any]) -> Any:
    """Return the columns of a table, wherever they were given; a keyword that is no aggregate is a misspelt option."""
    place = _caller()
    for column, value in columns.items():
        if not isinstance(value, Aggregate):
            message = f"`{column}` is no option of a table, and {value!r} is no aggregate{suggest(column, _OPTIONS)}"
            raise DeclarationError([Problem.at(place, message)])
    if isinstance(aggregates, Mapping):
        for column in aggregates.keys() & columns.keys():
            raise DeclarationError([Problem.at(place, f"column {column!r} is given twice; keep one of them")])
    return {**aggregates, **columns} if isinstance(aggregates, Mapping) else aggregates or dict(columns)


def _names(declared: Stream | Table | str | Sequence[Stream | Table | str]) -> Any:
    """Return the names of what was declared, a list of them for a list."""
    if isinstance(declared, str | Stream | Table) or not isinstance(declared, Sequence):
        return _name(declared)
    return [_name(each) for each in declared]


def _name(declared: Stream | Table | str) -> Any:
    """Return the name of what was declared; anything else stays what it is, and is refused by its field."""
    return declared.name if isinstance(declared, Stream | Table) else declared


def _caller() -> Place:
    """Return where the innermost call from outside this package stands."""
    frame: FrameType = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's line
    while frame.f_back is not None and FilePath(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        frame = frame.f_back
    position = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    column = position[2] + 1 if position and position[2] is not None else 0
    return Place(frame.f_code.co_filename, frame.f_lineno, column)
