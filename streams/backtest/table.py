"""Rows of a CSV file as JSON record values: only the fields that the declaration uses, with the types that it needs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from streams.planned import StreamPlan

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?").fullmatch
_NO_ZONE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?").fullmatch
_BOOLS = {"true": "true", "false": "false", "1": "true", "0": "false"}
_quoted = json.JSONEncoder(ensure_ascii=True).encode


class Rows:
    """Reads rows. An empty cell is null; a time without zone is UTC; a row of another length is a bad record.

    Args:
        text: the file, its header first.
        plan: of the stream, which says the fields.

    Raises:
        ValueError: there is no header, or it lacks every field that the declaration uses.
    """

    def __init__(self, text: TextIO, plan: StreamPlan) -> None:
        """Read the header."""
        self._rows = csv.reader(text)
        header = next(self._rows, [])
        if not set(header) & set(plan.fields):
            fields = ", ".join(sorted(plan.fields))
            raise ValueError(f"the first line must name the columns; none of {fields} is among {', '.join(header)!r}")
        self._width = len(header)
        self._used = [(at, plan.fields[name]) for at, name in enumerate(header) if name in plan.fields]
        self._template = _template([name for name in header if name in plan.fields])

    def take(self, count: int) -> list[bytes]:
        """Return the record values of the next rows, at most `count`; empty at the end.

        Raises:
            ValueError: this is no CSV.
        """
        try:
            rows = [row for row in islice(self._rows, count) if row]
        except csv.Error as error:
            raise ValueError(f"line {self._rows.line_num} is no CSV: {error}") from error
        if not rows or len({len(row) for row in rows} | {self._width}) == 1:
            return self._encode(rows)
        return [value for row in rows for value in ([_bad(row)] if len(row) != self._width else self._encode([row]))]

    def _encode(self, rows: Sequence[Sequence[str]]) -> list[bytes]:
        columns = list(zip(*rows, strict=True))
        cells = [_cells(columns[at], use) for at, use in self._used] if rows else []
        return [(self._template % row).encode() for row in zip(*cells, strict=True)]


def _bad(row: Sequence[str]) -> bytes:
    """Return a row of the wrong length as it is, which is no JSON."""
    return ",".join(row).encode(errors="surrogateescape")


def _cells(texts: Iterable[str], use: str) -> list[str]:
    """Return cells as JSON, as the use of the field needs them."""
    if use == "text":
        return [_quoted(text) if text else "null" for text in texts]
    if use == "bool":
        return [_BOOLS.get(text.lower()) or (_quoted(text) if text else "null") for text in texts]
    if use == "time":
        texts = [f"{text}Z" if _NO_ZONE(text) else text for text in texts]
    return [text if _NUMBER(text) else _quoted(text) if text else "null" for text in texts]


def _template(names: Iterable[str]) -> str:
    """Return a JSON object with `%s` for each field; dots in a name lead into objects."""
    root: dict[str, Any] = {}
    for name in names:
        inner = root
        *above, last = name.split(".")
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = None
    return _object(root)


def _object(fields: Mapping[str, Any]) -> str:
    parts = (f"{_quoted(name).replace('%', '%%')}: {_object(of) if of else '%s'}" for name, of in fields.items())
    return f"{{{', '.join(parts)}}}"
