"""Labels, fingerprints and events, against Prometheus' and Alertmanager's own formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rules.events import alert_event, fingerprint, path, rfc3339, window_of
from streams.rules.life import Live
from tables import tumbling
from tables.windows import panes


def fnv1a(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash by its definition."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest ^= byte
        digest = digest * 0x100000001B3 % 2**64
    return digest


def test_no_labels_have_the_empty_signature() -> None:
    """The empty label set has FNV-1a's offset basis (`emptyLabelSignature` of prometheus/common)."""
    assert fingerprint({}) == "cbf29ce484222325"


def test_layout_is_name_ff_value_ff_sorted() -> None:
    """Names and values are each followed by 0xff, in the order of the names, whatever the order given."""
    expected = fnv1a(b"alertname\xffHigh\xffhost\xffa\xff")
    assert fingerprint({"host": "a", "alertname": "High"}) == f"{expected:016x}"


def test_known_value_of_fnv() -> None:
    """The reference hash above is FNV-1a: its published value for "a"."""
    assert fnv1a(b"a") == 0xAF63DC4C8601EC8C


@given(st.integers(1, 253_402_300_799_999))
def test_rfc3339_reads_back(at: int) -> None:
    """Times are UTC with exactly three digits of ms and read back as the same ms."""
    text = rfc3339(at)
    assert text.endswith("Z")
    assert len(text) == len("2015-05-17T10:05:03.000Z")
    read = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert (read.days * 86_400 + read.seconds) * 1000 + read.microseconds // 1000 == at


@pytest.mark.parametrize(("ends_at", "status"), [(None, "firing"), (1_431_857_163_000, "resolved")])
def test_event(ends_at: int | None, status: str) -> None:
    """An event has Alertmanager's fields, the row and window behind it, and the fingerprint as key."""
    live = Live(1, {"host": "a/b", "alertname": "High"}, {"n": 3}, 3, 0, fired_at=1_431_857_103_000)
    event = alert_event(
        live,
        {"summary": "x"},
        topic="t",
        table="traffic",
        key=path(b"a/b", 1),
        window={"start": 0, "end": 9},
        ends_at=ends_at,
    )
    name = fingerprint(live.labels)
    assert json.loads(event.value or b"") == {
        "labels": {"alertname": "High", "host": "a/b"},
        "annotations": {"summary": "x"},
        "startsAt": "2015-05-17T10:05:03.000Z",
        "endsAt": None if ends_at is None else "2015-05-17T10:06:03.000Z",
        "status": status,
        "fingerprint": name,
        "generatorURL": "/api/v1/tables/traffic/a%2Fb",
        "values": {"n": 3},
        "window": {"start": 0, "end": 9},
    }
    assert (event.topic, event.key) == ("t", name.encode())
    assert event.headers == (("id", f"{name}-2015-05-17T10:05:03.000Z-{status}".encode()),)


def test_window_of() -> None:
    """A window is told by its start and end in ms; a table without window has none."""
    assert window_of(panes(tumbling("10s")), 3) == {"start": 30_000, "end": 40_000}
    assert window_of(panes(None), 0) is None
