"""Rows of tables to files, as JSON lines or CSV: what `streams run` writes."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import msgspec

from streams.backtest.files import Unreadable
from streams.problems import suggest
from tables.spec import Emit

if TYPE_CHECKING:
    from streams.backtest.replay import Replay
    from streams.effects import Event
    from streams.planned import Plan, TablePlan
    from streams.spec import Declaration

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def emitting(declaration: Declaration, names: Iterable[str]) -> Declaration:
    """Return a declaration whose named tables emit their final rows, to a topic that nobody reads if they did not.

    Raises:
        Unreadable: there is no such table.
    """
    tables = dict(declaration.tables)
    for name in names:
        if name not in tables:
            raise Unreadable(f"there is no table {name!r} to write{suggest(name, tables)}")
        table = tables[name]
        if table.window is not None and table.emit.when != "close":
            tables[name] = replace(table, emit=Emit("close"), to=f"streams.run.{name}")
    return replace(declaration, tables=tables)


class Output:
    """One file of rows.

    Args:
        path: `.csv` is CSV with a header, else JSON lines; a further `.gz` packs it.
        plan: of the table.
    """

    def __init__(self, path: Path, plan: TablePlan) -> None:
        """Name it; `with` opens it."""
        self.path, self.plan, self.rows = path, plan, 0
        self._labels = [label for label, _ in plan.key_labels]
        suffixes = [each.lower() for each in path.suffixes if each.lower() != ".gz"]
        self._csv = suffixes[-1:] == [".csv"]

    def __enter__(self) -> Self:
        """Open the file and write the header.

        Raises:
            Unreadable: it cannot be written.
        """
        try:
            packed = self.path.suffix.lower() == ".gz"
            self._file = cast("BinaryIO", gzip.open(self.path, "wb") if packed else self.path.open("wb"))
        except OSError as error:
            raise Unreadable(f"{self.path} cannot be written: {error.strerror}") from error
        if self._csv:
            self._write([*self._labels, "window_start", "window_end", *self.plan.table.aggregates])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def event(self, event: Event) -> None:
        """Write a row that the table emits; one that it withdraws later stays."""
        if event.value is None:
            return
        self.rows += 1
        if not self._csv:
            self._file.write(event.value + b"\n")
            return
        row = _decode(event.value)
        window = row["window"] or {}
        bounds = [window.get("start"), window.get("end")]
        values = [row[name] for name in self.plan.table.aggregates]
        self._write([*(row[label] for label in self._labels), *bounds, *values])

    def totals(self, replay: Replay) -> None:
        """Write the rows of a table without window, as they are at the end."""
        for row in replay.table(self.plan.name).rows():
            key = row.key if isinstance(row.key, tuple) else (row.key,)
            self.rows += 1
            if self._csv:
                self._write([*key, None, None, *row.values.values()])
            else:
                named: Mapping[str, Any] = dict(zip(self._labels, key, strict=True))
                self._file.write(_encode({**named, "window": None, **row.values}) + b"\n")

    def _write(self, cells: Iterable[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
        self._file.write(line.getvalue().encode(errors="surrogateescape"))


def _cell(value: Any) -> Any:
    """Return a value as CSV has it: null is empty, lists and mappings are JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _encode(value).decode() if isinstance(value, list | dict) else value


def outputs(plan: Plan, paths: Mapping[str, Path]) -> list[Output]:
    """Return an output for each table and path."""
    return [Output(path, plan.tables[name]) for name, path in paths.items()]
