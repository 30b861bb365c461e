"""The Harness: clock, silence, partitions, what it lists, and what it says of mistakes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.load import loads
from streams.problems import DeclarationError
from streams.testing import Harness
from streams.testing.murmur import murmur2, partition_of

BASE = 1_700_000_000_000
SECOND = 1000
APP = """
app: t
streams:
  s: {topic: s, time: {field: ts, unit: ms}, key: [host, port]}
  plain: {topic: plain, codec: raw, key: value, idle: never}
  rows: {topic: t-c, time: {field: window.end, unit: ms}, key: [host, port]}
tables:
  c:
    from: s
    key: [host, port]
    window: {tumbling: 10s, grace: 0s}
    emit: close
    aggregates: {n: count()}
  words: {from: plain, key: value, window: {tumbling: 10s, grace: 0s}, aggregates: {n: count()}}
  again: {from: rows, key: [host, port], aggregates: {windows: count(), total: sum("n")}}
alerts:
  - {alert: Many, table: c, expr: n >= 2}
"""


def event(second: int, host: str = "a", port: int = 1) -> dict[str, Any]:
    """Return an event at a second after `BASE`."""
    return {"host": host, "port": port, "ts": BASE + second * SECOND}


@pytest.fixture
def harness() -> Harness:
    """Return a Harness of the app above, two partitions."""
    return Harness(loads(APP), partitions=2)


def test_it_takes_a_path_a_declaration_or_an_app(tmp_path: Path) -> None:
    """A YAML path, a declaration and whatever has one (an App) give the same app."""
    path = tmp_path / "t.yaml"
    path.write_text(APP, encoding="utf-8")

    class Declared:
        declaration = loads(APP)

    for given in (path, str(path), loads(APP), Declared()):
        assert Harness(given).declaration.app == "t"


def test_mistakes_of_the_declaration_are_reported() -> None:
    """A declaration with a mistake is refused as everywhere."""
    with pytest.raises(DeclarationError, match="app"):
        Harness(loads("streams: {}"))


def test_the_clock_starts_with_the_first_record(harness: Harness) -> None:
    """Without a start the clock is the first record's timestamp, and only moves forward."""
    harness.feed("s", event(5))
    assert harness.clock == BASE + 5 * SECOND
    harness.feed("s", event(1))
    assert harness.clock == BASE + 5 * SECOND
    harness.feed("s", event(2), timestamp=BASE + 9 * SECOND)
    harness.advance("1m30s")
    assert harness.clock == BASE + 99 * SECOND


def test_the_clock_can_be_given() -> None:
    """A start in ms or as a datetime is where the clock stands; records without any time are stamped with it."""
    for start in (BASE, datetime.fromtimestamp(BASE / 1000, UTC)):
        harness = Harness(loads(APP), start=start)
        harness.feed("plain", b"word")
        (row,) = harness.table("words").rows()
        assert (row.key, row.start, row.end) == ("word", BASE, BASE + 10 * SECOND)


def test_silence_closes_after_idle(harness: Harness) -> None:
    """An input that is silent for `idle` has its watermark moved by the time since; `never` waits for ever."""
    harness.feed("s", event(1))
    harness.feed("plain", b"word", timestamp=BASE + SECOND)
    harness.advance("59s")
    assert [row.closed for row in harness.table("c").rows()] == [False]
    harness.advance("1s")
    assert [row.closed for row in harness.table("c").rows()] == [True]
    harness.advance("1d")
    assert [row.closed for row in harness.table("words").rows()] == [False]


def test_another_partition_falls_silent_meanwhile(harness: Harness) -> None:
    """Records of one partition move the clock, and the other one, which hears nothing, closes its windows."""
    harness.feed("s", event(1), partition=1)
    harness.feed("s", event(90, "b"), partition=0)
    assert {row.key: row.closed for row in harness.table("c").rows()} == {("a", 1): True, ("b", 1): False}


def test_feed_many_is_one_batch_a_partition(harness: Harness) -> None:
    """Values and mappings with value, key, timestamp, partition go in together; the rest of a mapping is a value."""
    harness.feed_many("s", [event(1), {"value": event(2), "key": "k", "partition": 1}, {"value": b"bad", "key": b"x"}])
    assert [(row.key, row.values["n"]) for row in harness.table("c").rows()] == [(("a", 1), 1), (("a", 1), 1)]
    (dead,) = harness.emitted("t-dead-letters")
    assert (dead.key, dead.value) == (b"x", b"bad")
    assert dict(dead.headers)["__streams.errors.partition"] == b"0"


def test_emitted_rows(harness: Harness) -> None:
    """What was produced is listed with key, decoded value, clock, partition and headers."""
    harness.feed_many("s", [event(1), event(2), event(25)])
    (row,) = harness.emitted("t-c")
    start = BASE // 10_000 * 10_000
    assert row.key == b'["a",1]'
    assert row.value == {"host": "a", "port": 1, "window": {"start": start, "end": start + 10_000}, "n": 2}
    assert row.timestamp == BASE + 25 * SECOND
    assert row.partition == partition_of(row.key, 2)
    assert dict(row.headers) == {"start": str(start).encode(), "end": str(start + 10_000).encode()}
    assert harness.emitted("nothing") == []


def test_what_the_app_reads_of_itself_is_fed_back(harness: Harness) -> None:
    """Rows that a table emits to a topic that a stream reads arrive there at once."""
    for second in (1, 2, 12, 35):
        harness.feed("s", event(second))
    (row,) = harness.table("again").rows(("a", 1))
    assert (row.values, row.start, row.end) == ({"windows": 2, "total": 3}, None, None)


def test_rows_of_one_key(harness: Harness) -> None:
    """Rows are listed by key and window; a key asks for its own only."""
    harness.feed_many("s", [event(1), event(1, "b"), event(12)])
    assert [(row.key[0], (row.start or 0) - BASE) for row in harness.table("c").rows()] == [
        ("a", 0),
        ("a", 10_000),
        ("b", 0),
    ]
    assert [row.key for row in harness.table("c").rows(("b", 1))] == [("b", 1)]
    assert harness.table("c").rows(("z", 1)) == []


def test_alerts_of_all_states(harness: Harness) -> None:
    """Firing and resolved alerts are listed with their times."""
    harness.feed_many("s", [event(1), event(2), event(11)])
    (alert,) = harness.alerts()
    assert (alert.name, alert.state, alert.fired_at, alert.resolved_at) == ("Many", "firing", BASE + 10_000, None)
    harness.feed("s", event(21))
    (alert,) = harness.alerts()
    assert (alert.state, alert.active_at, alert.resolved_at) == ("resolved", BASE + 10_000, BASE + 20_000)
    assert alert.labels == {"alertname": "Many", "host": "a", "port": "1"}


def test_unknown_names_are_told(harness: Harness) -> None:
    """A topic, partition or table that is not there is named, with those that are."""
    with pytest.raises(ValueError, match="no stream reads topic 'nope'; there are plain, s, t-c"):
        harness.feed("nope", b"")
    with pytest.raises(ValueError, match="partitions 0 to 1, not 2"):
        harness.feed("s", event(1), partition=2)
    with pytest.raises(ValueError, match="there is no table 'nope'; there are again, c, words"):
        harness.table("nope")


@pytest.mark.parametrize(
    ("key", "digest"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
     (b"a-little-bit-longer-string", -1486304829), (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
     (b"abc", 479470107)],
)  # fmt: skip
def test_murmur2_is_that_of_apache_kafka(key: bytes, digest: int) -> None:
    """The values of Apache Kafka's own `UtilsTest.testMurmur2`."""
    assert murmur2(key) == digest % (1 << 32)


def test_a_record_without_key_goes_to_partition_0() -> None:
    """Where a producer would take any partition, the Harness takes the first."""
    assert partition_of(None, 5) == 0
