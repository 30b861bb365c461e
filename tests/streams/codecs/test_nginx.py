"""The nginx codec on real lines, read a second way."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

from streams import reasons
from streams.codecs import registry

CODEC = registry()["nginx"]
LOG = Path(__file__).parents[2] / "data" / "access_log" / "first-1000.log.gz"


def by_csv(line: str) -> dict[str, object]:
    """Return the fields of a line without escapes as a space-separated row (the oracle)."""
    client, ident, user, day, zone, request, status, size, referrer, agent = next(csv.reader([line], delimiter=" "))
    moment = datetime.strptime(f"{day} {zone}", "[%d/%b/%Y:%H:%M:%S %z]")
    method, path, protocol = request.split(" ")
    row: dict[str, object] = {
        "client": client, "ident": ident, "user": user, "time": int(moment.timestamp() * 1000), "request": request,
        "method": method, "path": path, "protocol": protocol, "status": int(status),
        "bytes": None if size == "-" else int(size), "referrer": referrer, "agent": agent,
    }  # fmt: skip
    return {name: None if value == "-" else value for name, value in row.items()}


def test_real_lines_are_read_as_another_reader_reads_them() -> None:
    """1,000 lines of a real log: every field equals that of a csv reader and of strptime."""
    lines = gzip.decompress(LOG.read_bytes()).splitlines()
    assert CODEC.fields is not None
    decoded = CODEC.compile(CODEC.fields).decode(lines)
    assert decoded.bad == []
    columns = {name: column.tolist() for name, column in decoded.columns.items()}
    rows = [{name: items[at] for name, items in columns.items()} for at in range(len(lines))]
    assert rows == [by_csv(line.decode()) for line in lines]


def test_only_used_fields_are_made() -> None:
    """The result has the asked columns and no others."""
    line = CODEC.encode({"client": "::1", "time": 1_431_857_103_000, "status": 200})
    decoded = CODEC.compile({"status": "number"}).decode([line])
    assert {name: column.tolist() for name, column in decoded.columns.items()} == {"status": [200]}


def test_time_comes_as_integer_milliseconds() -> None:
    """The time column needs no unit: it is ms, of a size that says so."""
    line = CODEC.encode({"time": "17/May/2015:10:05:03 -0700"})
    column = CODEC.compile({"time": "time"}).decode([line]).columns["time"]
    assert column.kind == "int"
    assert column.tolist() == [int(datetime.fromisoformat("2015-05-17T10:05:03-07:00").timestamp() * 1000)]


def test_a_bad_time_is_told_apart_only_where_time_is_used() -> None:
    """A field that nobody uses is not validated."""
    line = CODEC.encode({"time": "99/May/2015:10:05:03 -0700", "status": 200})
    assert CODEC.compile({"status": "number"}).decode([line]).bad == []
    assert [row.reason for row in CODEC.compile({"time": "time"}).decode([line]).bad] == [reasons.BAD_TIME]
