"""What an event looks like on the wire: the workload's flat JSON, nested JSON, JSON of 20 fields, access log lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache


@dataclass(frozen=True)
class Form:
    """One form of the same events.

    Args:
        stream: how a stream of it is declared, beside its topic.
        service: the field that holds the service, which is the record key too.
        value: the field that holds the value.
        encode: (service, its number, value, event time in ms) -> the record value.
    """

    stream: str
    service: str
    value: str
    encode: Callable[[bytes, int, float, int], bytes]


def _flat(name: bytes, service: int, value: float, at: int) -> bytes:
    return b'{"service":"%s","host":"web-%d","metric":"latency_ms","value":%s,"ts":%d.%03d}' % (
        name, service % 100, repr(value).encode(), at // 1000, at % 1000,
    )  # fmt: skip


def _nested(name: bytes, service: int, value: float, at: int) -> bytes:
    return (
        b'{"tags":{"service":"%s","host":"web-%d"},"fields":{"latency":{"ms":%s,"unit":"ms"}},"meta":{"ts":%d.%03d}}'
        % (name, service % 100, repr(value).encode(), at // 1000, at % 1000)
    )


_FIELDS = b"".join(b'"field_%02d":"some text %d",' % (number, number) for number in range(15))


def _wide(name: bytes, service: int, value: float, at: int) -> bytes:
    return b"{" + _FIELDS + _flat(name, service, value, at)[1:]


def _line(name: bytes, service: int, value: float, at: int) -> bytes:
    return b'10.0.0.%d - %s [%s] "GET /cart?id=%d HTTP/1.1" 200 %d "-" "Mozilla/5.0 (X11; Linux x86_64)"' % (
        service % 250, name, _clock(at // 1000), service, round(value),
    )  # fmt: skip


@lru_cache(1 << 16)
def _clock(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").encode()


FORMS = {
    "flat": Form("codec: json, time: ts, key: service", "service", "value", _flat),
    "nested": Form("codec: json, time: meta.ts, key: tags.service", "tags.service", "fields.latency.ms", _nested),
    "20 fields": Form("codec: json, time: ts, key: service", "service", "value", _wide),
    "access log": Form("codec: nginx, time: time, key: user", "user", "bytes", _line),
}
"""By name. Access log lines have whole seconds and whole values."""
