"""The nginx codec on real lines, read a second way."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import fast, reasons
from streams.codecs import lines, registry
from streams.codecs.base import Decoded
from streams.codecs.nginx import NginxDecoder
from streams.packed import NULL, Packed

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
    records = gzip.decompress(LOG.read_bytes()).splitlines()
    assert CODEC.fields is not None
    decoded = CODEC.compile(CODEC.fields).decode(records)
    assert decoded.bad == []
    columns = {name: column.tolist() for name, column in decoded.columns.items()}
    rows = [{name: items[at] for name, items in columns.items()} for at in range(len(records))]
    assert rows == [by_csv(line.decode()) for line in records]


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


def packed(values: list[bytes | None]) -> Packed:
    """Return the values in one buffer, with other bytes between them."""
    buffer, start, length = bytearray(b'"x \\'), [], []
    for value in values:
        start.append(len(buffer))
        length.append(NULL if value is None else len(value))
        buffer += (value or b"") + b'" 9\xff'
    return Packed(bytes(buffer), np.array(start, np.int64), np.array(length, np.int64))


def said(decoded: Decoded) -> tuple[Any, ...]:
    """Return what a decoded batch says, to compare."""
    columns = {
        name: (column.kind, column.tolist(), column.values.dtype, column.null is None)
        for name, column in decoded.columns.items()
    }
    return columns, None if decoded.good is None else decoded.good.tolist(), decoded.bad


word = st.sampled_from(["-", "10.0.0.1", "::1", "a", "[", '"', "é", r"\x41", "", "a b", "a[b", "\t", "\x1d", "\x7f"])
quoted = st.sampled_from(["-", "", "http://a/", "Mozilla/5.0 (X11)", r"a\"b", "\\", "é", 'a"b', "a]b", "\n"])
moment = st.datetimes().map(lambda at: f"{at:%d/%b}/{at.year:04}:{at:%H:%M:%S}")
time = st.builds(
    "{} {}".format, moment | st.sampled_from(["29/Feb/2023:00:00:00", "31/Dec/9999:23:59:59", "01/jan/2015:10:00:00",
    "00/Jan/2015:10:00:00", "01/Jan/2015:24:00:00", "01/Jan/2015:10:60:00", "01/Jan/2015:10:00:60", "x", "1/2/3"]),
    st.sampled_from(["+0000", "-0730", "+2359", "+2400", "-9999", "0000", "+000"]),
)  # fmt: skip
request = quoted | st.sampled_from(
    ["GET / HTTP/1.1", "GET  HTTP/1.1", "GET /a b HTTP/1.1", "PROPPATCH / HTTP/2", "VERYLONGMETHOD / HTTP/2", "G@T / H",
     "GET / HTTP/1.12", "GET / HTTP/x", "GET / HTTP/1x1", "GET /", "GET / http/1.1", "GET / HTTP/1.", " / HTTP/1.1"]
)  # fmt: skip
number = st.sampled_from(["-", "200", "0", "007", "20", "", "x", "1234567890", "123456789012345678", "9" * 19, "-1"])
end = st.sampled_from(["", ' "-"', ' "10.0.0.1, 10.0.0.2"', " ", "\n", "\r\n", " \n\n", " x", '"', ' ""', ' "a" "b"'])
ordinary = st.sampled_from(
    ['1.1.1.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "agent"'] * 2
    + ['::1 - bob [29/Feb/2024:23:59:59 -0730] "-" 404 - "" "b"\n']
)
line = st.builds(
    '{} {} {} [{}] "{}" {} {} "{}" "{}"{}'.format, word, word, word, time, request, number, number, quoted, quoted, end
)
near = st.builds(
    lambda text, at, byte: text[: at % len(text)].encode() + byte + text[at % len(text) + 1 :].encode(),
    ordinary, st.integers(0, 500), st.binary(max_size=2) | st.sampled_from([b" ", b'"', b"[", b"]", b"-", b"0"]),
)  # fmt: skip
any_value = st.none() | st.binary(max_size=9) | line.map(str.encode) | near | ordinary.map(str.encode)


@pytest.mark.parametrize("way", ["plain", "compiled"])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(any_value, max_size=8), st.sets(st.sampled_from(sorted(CODEC.fields or ()))))
def test_lines_in_bulk_are_what_the_pattern_makes_of_each(
    way: str, monkeypatch: pytest.MonkeyPatch, values: list[bytes | None], names: set[str]
) -> None:
    """Any values, near an ordinary line or far: the same columns and the same bad rows as one match a line."""
    monkeypatch.setattr(fast._Loading, "kernels", fast.load() if way == "compiled" else None)  # noqa: SLF001 - both ways
    assert CODEC.fields is not None
    decoder = CODEC.compile({name: CODEC.fields[name] for name in names})
    assert isinstance(decoder, NginxDecoder)
    expected = said(decoder._matched(values))  # noqa: SLF001 - the way that is the oracle
    assert said(decoder.decode(values)) == expected
    assert said(decoder.decode(packed(values))) == expected


def test_ordinary_lines_need_no_pattern() -> None:
    """Every line of the real log is read in bulk but those with an escape or without a sound request."""
    assert CODEC.fields is not None
    values = gzip.decompress(LOG.read_bytes()).splitlines()
    assert lines.find(values, list(CODEC.fields)).sure.mean() > 0.95
