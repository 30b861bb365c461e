r"""The `nginx` codec: combined access logs as nginx and Apache write them by default.

    client ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 1234 "referrer" "agent"

One more quoted field at the end (the forwarded-for of nginx's `main` format) is allowed and not read. `-` is null.
Escapes are undone: `\"`, `\\`, `\n`, ..., and `\xNN`, whose bytes are UTF-8. A request line that is not
`METHOD path HTTP/version` is kept in `request`; method, path and protocol are null then.

`time` comes out as integer ms since the epoch, so that event time reads its unit from its size. Times before March
1973, which would read as seconds, are bad rows (a server whose clock was never set).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from streams import fast, reasons
from streams.codecs import lines
from streams.codecs.base import BadRow, Codec, Decoded, Decoder, FieldType
from streams.codecs.escapes import escape, unescape
from streams.codecs.extract import column, objects
from streams.codecs.lines import FIRST_TIME, Lines
from streams.codecs.rows import decode_each, explain_text, good_rows
from streams.codecs.scanned import merged, text
from streams.fast.kinds import LENGTH_BITS, NULL, TEXT
from streams.fast.names import Names
from tables.columns import Column

_FIELDS: Mapping[str, FieldType] = MappingProxyType(
    {
        "client": "text",
        "ident": "text",
        "user": "text",
        "time": "time",
        "request": "text",
        "method": "text",
        "path": "text",
        "protocol": "text",
        "status": "number",
        "bytes": "number",
        "referrer": "text",
        "agent": "text",
    },
)
_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_METHOD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PATH = r'[^\s"\\]*+(?:\\\S[^\s"\\]*+)*+'
_LINE = (
    r'<client>\S++) <ident>\S++) <user>\S++(?: [^\["\s]++)*+) \[<time>[^\]]++)\] '
    rf'"<request><method>{_METHOD}) <path>{_PATH}) <protocol>HTTP/\d(?:\.\d)?)(?=")|{_QUOTED})" '
    rf'<status>\d\d\d|-) <bytes>\d{{1,18}}+|-) "<referrer>{_QUOTED})" "<agent>{_QUOTED})"(?: "{_QUOTED}")?+\s*+'
)
_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CACHED_TIMES = 65_536


class Nginx(Codec):
    """Combined access log lines."""

    name: ClassVar[str] = "nginx"
    fields: ClassVar[Mapping[str, FieldType] | None] = _FIELDS
    time_field: ClassVar[str | None] = "time"

    def compile(self, fields: Mapping[str, FieldType]) -> Decoder:
        """Return a decoder for these fields of a line."""
        return NginxDecoder(fields)

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return a line with these fields (`-` for the others); `time` is ms since the epoch, or text as it stands."""
        bare = {name: _bare(values.get(name)) for name in ("client", "ident", "user", "status", "bytes")}
        quoted = {name: _quoted(values.get(name)) for name in ("referrer", "agent")}
        return (
            f"{bare['client']} {bare['ident']} {bare['user']} [{_time_text(values.get('time', 0))}] "
            f'"{_request(values)}" {bare["status"]} {bare["bytes"]} "{quoted["referrer"]}" "{quoted["agent"]}"'
        ).encode()


class NginxDecoder(Decoder):
    """Decodes the used fields of lines: whole columns, and one match for each line that is out of the ordinary."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        """Compile the pattern with one group for each used field."""
        self._names = [name for name in _FIELDS if name in fields]
        self._match = re.compile(_pattern(self._names), re.ASCII | re.DOTALL).fullmatch
        self._times = _Times()
        self._known: dict[str, Names] = {}

    def decode(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Decoded:  # noqa: ARG002 - of the interface
        """Return the columns of the good rows, and the bad rows."""
        found = lines.find(values, self._names)
        left = np.flatnonzero(~found.sure)
        if not len(left):
            return Decoded(self._found(found, slice(None)))
        sure = np.flatnonzero(found.sure)
        plain = self._matched(list(map(values.__getitem__, left.tolist())))
        return merged(len(values), sure, self._found(found, sure), left, plain)

    def _found(self, found: Lines, rows: NDArray[np.intp] | slice) -> dict[str, Column]:
        """Return the columns of the rows whose fields are known."""
        texts = _Texts(found.array, self._known)
        columns = {}
        for name in self._names:
            if name in found.texts:
                start, end = found.texts[name]
                columns[name] = texts.column(name, start[rows], end[rows])
            else:
                columns[name] = _integers(name, found.numbers[name][rows])
        return columns

    def _matched(self, values: Sequence[bytes | None]) -> Decoded:
        """Return what the pattern makes of lines."""
        rows, bad = decode_each(self._groups, values, _explain)
        if "time" in self._names:
            rows, bad = self._with_times(rows, bad, len(values))
        parts = zip(*rows, strict=True) if rows else ((),) * len(self._names)
        columns = {name: self._column(name, part) for name, part in zip(self._names, parts, strict=True)}
        return Decoded(columns, good_rows(len(values), bad), bad)

    def _groups(self, value: bytes | None) -> tuple[Any, ...]:
        return self._match(value.decode()).groups()  # type: ignore[union-attr] # None is a bad row

    def _column(self, name: str, part: Sequence[Any]) -> Column:
        if name == "time":
            return Column("int", np.fromiter(map(self._times.__getitem__, part), np.int64, len(part)))
        if _FIELDS[name] == "number":
            return column([None if item == "-" else int(item) for item in part], "number")
        if "\\" in "".join(filter(None, part)):
            return column([None if item is None or item == "-" else unescape(item) for item in part], "text")
        return column([None if item == "-" else item for item in part], "text")

    def _with_times(
        self, rows: list[tuple[Any, ...]], bad: list[BadRow], n: int
    ) -> tuple[list[tuple[Any, ...]], list[BadRow]]:
        """Return the rows without those whose time is none, and all bad rows, by index."""
        self._times.shrink()
        at, where, times = self._names.index("time"), good_rows(n, bad), self._times
        wrong = [row for row, groups in enumerate(rows) if times[groups[at]] < FIRST_TIME]
        for row in reversed(wrong):
            message = f"[{rows.pop(row)[at]}] is not a time since March 1973 such as [17/May/2015:10:05:03 +0000]"
            bad.append(BadRow(row if where is None else int(where[row]), reasons.BAD_TIME, message))
        return rows, sorted(bad, key=lambda found: found.index) if wrong else bad


class _Texts:
    """Texts that lie in a buffer of ASCII; with the compiled loops, each distinct one is made once.

    Args:
        array: the buffer.
        known: the texts of each field so far.
    """

    def __init__(self, array: NDArray[np.uint8], known: dict[str, Names]) -> None:
        self._array, self._known, self._kernels = array, known, fast.kernels()
        self._text = array.tobytes().decode("latin-1") if self._kernels is None else ""

    def column(self, name: str, start: NDArray[np.int64], end: NDArray[np.int64]) -> Column:
        """Return the texts between these places; `-` is null."""
        nulls = (end - start == 1) & (self._array[start] == ord("-"))
        if self._kernels is not None:
            kinds = np.where(nulls, NULL, TEXT).astype(np.int8)
            names = self._known.setdefault(name, Names(self._kernels))
            return text(kinds, (start << LENGTH_BITS) | (end - start), self._array, names)
        whole, places = self._text, zip(start.tolist(), end.tolist(), strict=True)
        values = objects([whole[begin:after] for begin, after in places])
        values[nulls] = ""
        return Column("text", values, nulls if nulls.any() else None)


def _integers(name: str, values: NDArray[np.int64]) -> Column:
    """Return a column of numbers, -1 for null, as `extract.column` makes it: floats where there is none."""
    if name == "time":
        return Column("int", values)
    nulls = values < 0
    values = np.where(nulls, 0, values)
    if nulls.all():
        return Column("float", values.astype(np.float64), nulls if len(nulls) else None)
    return Column("int", values, nulls if nulls.any() else None)


class _Times(dict[str, int]):
    """Times of access logs to ms since the epoch, each distinct text parsed once; -1 for what is none."""

    def __missing__(self, text: str) -> int:
        ms = self[text] = _milliseconds(text)
        return ms

    def shrink(self) -> None:
        """Forget everything when it has become much."""
        if len(self) > _CACHED_TIMES:
            self.clear()


def _pattern(names: Sequence[str]) -> str:
    """Return the pattern of a line, with a group for each of these fields."""
    return re.sub(r"<([a-z]+)>", lambda found: "(" if found[1] in names else "(?:", _LINE)


def _milliseconds(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return -1
    day, year, hour, minute, second = (int(found[at]) for at in (1, 3, 4, 5, 6))
    ahead = timedelta(hours=int(found[8]), minutes=int(found[9]))
    try:
        zone = timezone(ahead if found[7] == "+" else -ahead)
        return (
            int(datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=zone).timestamp()) * 1000
        )
    except ValueError:
        return -1


def _explain(error: Exception, value: bytes | None) -> tuple[str, str]:
    if not value or isinstance(error, UnicodeDecodeError):
        return explain_text(error, value)
    return (
        reasons.NOT_AN_ACCESS_LOG_LINE,
        'the line is not in the combined format (client ident user [time] "request" ...)',
    )


def _bare(value: object) -> str:
    return "-" if value is None else escape(str(value), bare=True)


def _quoted(value: object) -> str:
    return "-" if value is None else escape(str(value))


def _request(values: Mapping[str, Any]) -> str:
    """Return the request line: `request` if given, else made of method, path and protocol."""
    if values.get("request") is not None:
        return escape(values["request"])
    parts = [values.get(name) for name in ("method", "path", "protocol")]
    return "-" if None in parts else " ".join(escape(str(part), bare=True) for part in parts)


def _time_text(time: int | str) -> str:
    if isinstance(time, str):
        return time
    moment = datetime.fromtimestamp(time / 1000, UTC)
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"
