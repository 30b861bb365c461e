"""What an alert says to others: its labels, its fingerprint, and the events that tell of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec

from streams.effects import Event
from tables.keys import key_values
from tables.windows import Panes

if TYPE_CHECKING:
    from streams.rules.life import Live
    from tables.windows import Steps

Status = Literal["firing", "resolved"]
_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = (1 << 64) - 1
LIVE = 16_384
"""Alerts of which fingerprints and times are kept from when they fire until they are resolved."""
_encode = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the 16 hex digits by which Prometheus and Alertmanager know a label set.

    Source: prometheus/common, `model/signature.go`, `labelSetToFingerprint`: FNV-1a (64 bits) over name, 0xff, value,
    0xff of each label in the order of the names' bytes.
    """
    return _digest(tuple(labels.items()))


@lru_cache(LIVE)
def _digest(labels: tuple[tuple[str, str], ...]) -> str:
    digest = _OFFSET
    for byte in b"".join([part.encode() + b"\xff" for label in sorted(labels) for part in label]):
        digest = (digest ^ byte) * _PRIME & _MASK
    return f"{digest:016x}"


@lru_cache(LIVE)
def path(key: bytes, fields: int) -> str:
    """Return how a view's path names a table key of so many fields, percent-encoded."""
    return quote(",".join(map(str, key_values(key, fields))), safe="")


@lru_cache(LIVE)
def rfc3339(ms: int) -> str:
    """Return the time as RFC 3339 text in UTC with milliseconds: `2015-05-17T10:05:03.000Z`."""
    instant = _EPOCH + timedelta(milliseconds=min(max(ms, 0), _LAST))
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def window_of(steps: Steps, window: int) -> dict[str, int] | None:
    """Return start and end of a window in ms; None for a table without window, or where the number does not say it."""
    if not steps.windowed or not isinstance(steps, Panes):
        return None
    return {"start": steps.start(window), "end": steps.end(window)}


class _Body(msgspec.Struct, rename="camel"):
    """The value of an alert event, with the names of Alertmanager."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    ends_at: str | None
    status: Status
    fingerprint: str
    generator_url: str = msgspec.field(name="generatorURL")
    values: Mapping[str, Any]
    window: Mapping[str, int] | None


def alert_event(  # noqa: PLR0913 - an event says this much
    live: Live,
    annotations: Mapping[str, str],
    *,
    topic: str,
    table: str,
    key: str,
    window: Mapping[str, int] | None,
    ends_at: int | None = None,
) -> Event:
    """Return the event that an alert fires (`ends_at` None) or was resolved at `ends_at`.

    Args:
        live: the alert as it fired, with the row of the last judgement that held.
        annotations: rendered over that row.
        topic: where to.
        table: name of the table, for `generatorURL`.
        key: the table key as a view's `path` names it.
        window: that row's window.
        ends_at: when it was resolved, in ms.
    """
    status: Status = "firing" if ends_at is None else "resolved"
    starts_at = rfc3339(live.fired_at or 0)
    name = fingerprint(live.labels)
    body = _Body(
        live.labels,
        annotations,
        starts_at,
        None if ends_at is None else rfc3339(ends_at),
        status,
        name,
        f"/api/v1/tables/{table}/{key}",
        live.values,
        window,
    )
    headers = (("id", f"{name}-{starts_at}-{status}".encode()),)
    return Event(topic, name.encode(), _encode(body), headers)
