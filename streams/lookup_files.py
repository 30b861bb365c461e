"""Lookups from files: CSV with a header, or JSON lines; plain text, read whole."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from streams.lookup import Lookup
from tables.keys import key_bytes

if TYPE_CHECKING:
    from streams.planned import Plan
    from streams.spec import LookupTable

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?").fullmatch
_WORDS = {"": None, "true": True, "false": False}


class LookupUnreadable(click.ClickException):
    """The file of a lookup cannot be used; the text says which, and why."""


def read_all(plan: Plan) -> dict[str, Lookup]:
    """Return the lookups of a plan that are read from files, by name.

    Raises:
        LookupUnreadable: a file cannot be read, or holds no rows with keys.
    """
    return {name: read(each) for name, each in plan.declaration.lookups.items() if each.file is not None}


def read(lookup: LookupTable) -> Lookup:
    """Return one lookup.

    Raises:
        LookupUnreadable: its file cannot be read, holds no rows with keys, or more than `max_rows`.
    """
    path = Path(str(lookup.file))
    try:
        made = Lookup(_keyed(lookup, _rows(path)))
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LookupUnreadable(f"lookup {lookup.name}: {path} cannot be read: {why}") from error
    if len(made) > lookup.max_rows:
        raise LookupUnreadable(f"lookup {lookup.name}: {path} has {len(made)} rows; raise `max_rows` {lookup.max_rows}")
    return made


def _rows(path: Path) -> Iterator[Any]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        yield from ({name: _typed(cell) for name, cell in row.items()} for row in csv.DictReader(text.splitlines()))
    else:
        yield from (msgspec.json.decode(line) for line in text.splitlines() if line.strip())


def _typed(cell: Any) -> Any:
    """Return a cell of a CSV file as what it looks like: nothing, a number, true or false, or text."""
    if not isinstance(cell, str):
        return None
    if _NUMBER(cell):
        return msgspec.json.decode(cell)
    return _WORDS.get(cell, cell)


def _keyed(lookup: LookupTable, rows: Iterator[Any]) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ValueError(f"row {number} is no mapping of fields")  # noqa: TRY004 - one error for all bad files
        value = row.get(lookup.key)
        if value is None:
            raise ValueError(f"row {number} has no {lookup.key!r}")
        yield key_bytes((value,)), row
