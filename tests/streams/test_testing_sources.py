"""The Harness with tables of several streams, and tables that read tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.backtest.replay import Replay
from streams.codecs.json import JsonDecoder
from streams.letters import OFFSET, PARTITION, REASON, TOPIC
from streams.load import loads
from streams.testing import Harness

BASE = 1_700_000_000_000 // 3_600_000 * 3_600_000
SECOND, MINUTE = 1_000, 60_000
TWO = """
app: t
streams:
  web: {topic: web, time: {field: ts, unit: ms}, where: not test, derive: {took: ms / 1000}, idle: 1m}
  api: {topic: api, time: {field: at.ms, unit: ms}, derive: {host: peer, took: seconds}, idle: 2m}
tables:
  traffic:
    from: [web, api]
    key: host
    window: {tumbling: 1m, grace: 0s}
    emit: close
    late: late
    aggregates: {n: count(), slowest: max("took"), final: last("took")}
"""
CHAIN = """
app: t
streams:
  s: {topic: s, key: host, time: {field: ts, unit: ms}, idle: 1m}
tables:
  minutes:
    from: s
    key: host
    window: {tumbling: 1m, grace: 10s}
    aggregates: {n: count(), site: last("site")}
  hours:
    from: minutes
    key: site
    window: {tumbling: 1h, grace: 0s}
    emit: close
    late: late
    aggregates: {n: sum("n"), hosts: distinct("host"), since: min("window.start"), until: max("window.end")}
  days:
    from: hours
    key: whole
    derive: {whole: "'all'"}
    window: {tumbling: 1d, grace: 0s}
    aggregates: {n: sum("n"), hours: count()}
alerts:
  - {alert: Many, table: hours, expr: n >= 3}
"""


def web(second: int, host: str = "a", ms: int = 500, *, test: bool = False) -> dict[str, Any]:
    """Return a record of the first stream."""
    return {"ts": BASE + second * SECOND, "host": host, "ms": ms, "test": test}


def api(second: int, peer: str = "a", seconds: float = 1.5) -> dict[str, Any]:
    """Return a record of the second stream."""
    return {"at": {"ms": BASE + second * SECOND}, "peer": peer, "seconds": seconds}


def event(minute: float, host: str = "a", site: str | None = "de") -> dict[str, Any]:
    """Return a record of the chain's stream."""
    return {"ts": BASE + round(minute * MINUTE), "host": host, "site": site}


def values(harness: Harness, topic: str) -> list[Any]:
    """Return what was emitted to a topic, without key fields and windows."""
    hidden = ("host", "site", "window")
    return [{k: v for k, v in each.value.items() if k not in hidden} for each in harness.emitted(topic) if each.value]


@pytest.mark.parametrize("partitions", [1, 3])
def test_several_streams_are_one_table(partitions: int) -> None:
    """Rows of all streams of a table count together, each stream with its own fields, time and conditions."""
    harness = Harness(loads(TWO), partitions=partitions)
    harness.feed_many("web", [web(1), web(2, ms=9_000, test=True), web(3, "b")])
    harness.feed_many("api", [api(4), api(2, "b", 0.25)])
    rows = {row.key: row.values for row in harness.table("traffic").rows()}
    assert rows == {"a": {"n": 2, "slowest": 1.5, "final": 1.5}, "b": {"n": 2, "slowest": 0.5, "final": 0.5}}
    assert harness.plan.streams["web"].fields["host"] == "key"


def test_windows_of_several_streams_close_by_the_slowest() -> None:
    """A stream that is behind holds windows open, and each row is late by its own partition."""
    harness = Harness(loads(TWO))
    harness.feed("web", web(1))
    harness.feed("web", web(100))
    assert harness.emitted("t-traffic") == []
    harness.feed("api", api(2))
    harness.feed("api", api(61))
    assert [row["n"] for row in values(harness, "t-traffic")] == [2]
    harness.feed("web", web(3))
    assert harness.late("traffic") == 1
    (late,) = harness.emitted("late")
    headers = dict(late.headers)
    assert (headers[TOPIC], headers[PARTITION], headers[OFFSET], late.value["ms"]) == (b"web", b"0", b"2", 500)


def test_several_streams_are_silent_when_each_is() -> None:
    """A stream that is silent for its own `idle` holds nothing back; when all are, the clock moves on."""
    harness = Harness(loads(TWO))
    harness.feed("web", web(1))
    harness.feed("api", api(2))
    harness.feed("web", web(90))
    assert harness.emitted("t-traffic") == []
    harness.advance("100s")
    harness.feed("web", web(190))
    assert [row["n"] for row in values(harness, "t-traffic")] == [2, 1]
    harness.advance("4m")
    assert [row["n"] for row in values(harness, "t-traffic")] == [2, 1, 1]


def test_a_backtest_reads_several_streams() -> None:
    """A replay of several streams closes what a live app would, and a stream without input holds nothing back."""
    replay = Replay(loads(TWO))
    replay.only({"web"})
    replay.take(
        "web",
        0,
        [b'{"ts": %d, "host": "a", "ms": 5, "test": false}' % (BASE + at * SECOND) for at in range(0, 200, 10)],
    )
    assert [row.values["n"] for row in replay.table("traffic").rows() if row.closed] == [6, 6, 6]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_table_reads_a_table(partitions: int) -> None:
    """A table of a table's closed rows has its key, columns and window bounds as fields; an hour closes by its rows."""
    harness = Harness(loads(CHAIN), partitions=partitions)
    for partition in range(partitions):
        for minute in range(62):
            harness.feed("s", event(minute, f"h{partition}"), partition=partition)
        harness.feed("s", event(62.2, f"h{partition}"), partition=partition)
    wanted = {"n": 60 * partitions, "hosts": partitions, "since": BASE, "until": BASE + 60 * MINUTE}
    assert values(harness, "t-hours") == [wanted]
    (row, *_) = harness.table("hours").rows("de")
    assert (row.start, row.closed, row.values) == (BASE, True, wanted)
    assert [alert.state for alert in harness.alerts()] == ["firing"]


def test_a_chain_needs_no_rows_to_go_on() -> None:
    """Windows without rows lift the watermark of a table that reads a table as well."""
    harness = Harness(loads(CHAIN))
    harness.feed("s", event(0))
    harness.feed("s", event(59.99))
    harness.feed("s", event(60.1))
    assert values(harness, "t-hours") == []
    harness.feed("s", event(60.2))
    assert [row["n"] for row in values(harness, "t-hours")] == [2]


def test_a_stream_without_a_record_may_be_silent_last() -> None:
    """All are silent two minutes after the one event: the clock has then passed the end of its window."""
    harness = Harness(loads(TWO))
    harness.feed("web", web(5))
    harness.advance("119s")
    assert values(harness, "t-traffic") == []
    harness.advance("1s")
    assert [row["n"] for row in values(harness, "t-traffic")] == [1]


def test_silence_goes_down_a_chain() -> None:
    """When the input is silent, each table closes what it has by the clock, and the ones below follow."""
    harness = Harness(loads(CHAIN))
    harness.feed("s", event(1))
    for _ in range(30 * 60):
        harness.advance("1m")
    assert [row["n"] for row in values(harness, "t-hours")] == [1]
    (day,) = harness.table("days").rows()
    assert (day.values, day.closed) == ({"n": 1, "hours": 1}, True)


def test_an_input_that_speaks_again_holds_a_chain_back_again() -> None:
    """After a silence the first record of a partition is heard by the tables below, though it closes nothing."""
    harness = Harness(loads(CHAIN.replace("idle: 1m", "idle: 5m")), partitions=2)
    harness.feed("s", event(1, "a"), partition=0)
    harness.feed("s", event(1, "b"), partition=1)
    harness.advance("20m")
    harness.feed("s", event(57, "b"), partition=1)
    harness.feed("s", event(58, "a"), partition=0)
    harness.feed("s", event(61.2, "a"), partition=0)
    assert values(harness, "t-hours") == []
    harness.feed("s", event(61.3, "b"), partition=1)
    assert [row["n"] for row in values(harness, "t-hours")] == [4]
    assert harness.late("hours") == 0


def test_a_row_without_key_for_the_next_table_is_a_dead_letter() -> None:
    """A closed row whose key for the next table is null goes to the dead letters as it would be emitted."""
    harness = Harness(loads(CHAIN))
    harness.feed("s", event(0, "x", None))
    harness.feed("s", event(1.2, "a"))
    (letter,) = harness.emitted("t-dead-letters")
    headers = dict(letter.headers)
    assert (headers[REASON], headers[TOPIC], letter.key) == (b"null_key", b"t-minutes-changelog", b"x")
    window = {"start": BASE, "end": BASE + MINUTE}
    assert letter.value == {"host": "x", "window": window, "n": 1, "site": None}


def test_a_backtest_goes_down_a_chain() -> None:
    """A replay closes every window of every table of a chain at its end, whatever the order of the file."""
    declared = loads(CHAIN)
    replay = Replay(replace(declared, tables=dict(reversed(declared.tables.items()))))
    replay.only({"s"})
    replay.take("s", 0, [b'{"ts": %d, "host": "a", "site": "de"}' % (BASE + at * MINUTE) for at in range(120)])
    replay.finish()
    assert [(row.values["n"], row.closed) for row in replay.table("hours").rows()] == [(60, True), (60, True)]
    assert [(row.values, row.closed) for row in replay.table("days").rows()] == [({"n": 120, "hours": 2}, True)]


def test_closing_goes_down_a_chain() -> None:
    """Closing up to a time closes each table of a chain when those before it are closed."""
    harness = Harness(loads(CHAIN))
    harness.feed_many("s", [event(minute) for minute in range(60)])
    harness.close(BASE + 60 * MINUTE)
    assert [row["n"] for row in values(harness, "t-hours")] == [60]


def test_a_stream_is_decoded_once_for_all_of_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tables read a stream, re-keyed ones among them, each record value is decoded once."""
    decoded: list[int] = []
    decode = JsonDecoder.decode

    def counted(decoder: JsonDecoder, values: Any, keys: Any = None) -> Any:
        decoded.append(len(values))
        return decode(decoder, values, keys)

    monkeypatch.setattr(JsonDecoder, "decode", counted)
    keys = ("host", "site", "[host, site]", "host")
    tables = "".join(f"  t{at}: {{from: s, key: {key}, aggregates: {{n: count()}}}}\n" for at, key in enumerate(keys))
    harness = Harness(loads(f"app: t\nstreams: {{s: {{topic: s, key: host}}}}\ntables:\n{tables}"), start=BASE)
    harness.feed_many("s", [event(at) for at in range(10)])
    assert decoded == [10]
    assert [sum(row.values["n"] for row in harness.table(f"t{at}").rows()) for at in range(4)] == [10] * 4
