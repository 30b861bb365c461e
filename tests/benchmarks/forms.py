"""What an event looks like on the wire: the workload's flat JSON, nested JSON, JSON of 20 fields, access log lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.pieces import Ints, Piece, decimal, joined, listed, rounded


@dataclass(frozen=True)
class Rows:
    """Events that are to be written: arrays of shape (n,).

    Args:
        name: of the event's service.
        service: number of the event's service.
        value: the measured value, at most three decimals.
        time: event time in ms.
    """

    name: Piece
    service: Ints
    value: NDArray[np.float64]
    time: Ints

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.time)


@dataclass(frozen=True)
class Form:
    """One form of the same events.

    Args:
        stream: how a stream of it is declared, beside its topic.
        service: the field that holds the service, which is the record key too.
        value: the field that holds the value.
        parts: events -> what each record value consists of.
    """

    stream: str
    service: str
    value: str
    parts: Callable[[Rows], list[Piece | bytes]]

    def write(self, rows: Rows) -> Piece:
        """Return the record values of events."""
        return joined(self.parts(rows), len(rows))


def _flat(rows: Rows) -> list[Piece | bytes]:
    return [
        b'{"service":"', rows.name, b'","host":"web-', decimal(rows.service % 100),
        b'","metric":"latency_ms","value":', rounded(rows.value), b',"ts":', *_seconds(rows), b"}",
    ]  # fmt: skip


def _nested(rows: Rows) -> list[Piece | bytes]:
    return [
        b'{"tags":{"service":"', rows.name, b'","host":"web-', decimal(rows.service % 100),
        b'"},"fields":{"latency":{"ms":', rounded(rows.value), b',"unit":"ms"}},"meta":{"ts":', *_seconds(rows), b"}}",
    ]  # fmt: skip


_FIELDS = b"".join(b'"field_%02d":"some text %d",' % (number, number) for number in range(15))


def _wide(rows: Rows) -> list[Piece | bytes]:
    return [b"{" + _FIELDS + b'"service":"', *_flat(rows)[1:]]


def _line(rows: Rows) -> list[Piece | bytes]:
    seconds, which = np.unique(rows.time // 1000, return_inverse=True)
    clocks = listed([_clock(second) for second in seconds.tolist()])
    return [
        b"10.0.0.", decimal(rows.service % 250), b" - ", rows.name, b" [", clocks.take(which),
        b'] "GET /cart?id=', decimal(rows.service), b' HTTP/1.1" 200 ', decimal(np.rint(rows.value).astype(np.int64)),
        b' "-" "Mozilla/5.0 (X11; Linux x86_64)"',
    ]  # fmt: skip


def _seconds(rows: Rows) -> list[Piece | bytes]:
    return [decimal(rows.time // 1000), b".", decimal(rows.time % 1000, 3)]


def _clock(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").encode()


FORMS = {
    "flat": Form("codec: json, time: ts, key: service", "service", "value", _flat),
    "nested": Form("codec: json, time: meta.ts, key: tags.service", "tags.service", "fields.latency.ms", _nested),
    "20 fields": Form("codec: json, time: ts, key: service", "service", "value", _wide),
    "access log": Form("codec: nginx, time: time, key: user", "user", "bytes", _line),
}
"""By name. Access log lines have whole seconds and whole values."""
