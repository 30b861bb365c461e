"""The replay: chained tables, several streams, any batches; rows and alerts are those of the Harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cramjam
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.backtest import files
from streams.backtest.replay import Replay
from streams.backtest.sources import Files
from streams.load import loads
from streams.testing import Harness

BASE = 1_700_000_040_000
APP = """
app: t
streams:
  a: {topic: a, time: {field: ts, unit: ms}, key: host}
  b: {topic: b, time: {field: ts, unit: ms}, key: host}
  unread: {topic: unread, time: {field: ts, unit: ms}, key: host}
  minutes: {topic: t-sums, time: {field: window.start, unit: ms}, key: host}
tables:
  sums: {from: a, key: host, window: {tumbling: 1m, grace: 5s}, emit: close, aggregates: {n: count(), x: sum("x")}}
  peaks: {from: b, key: host, window: {hopping: 2m, every: 1m, grace: 0s}, aggregates: {top: max("x")}}
  totals: {from: minutes, key: host, aggregates: {minutes: count(), x: sum("x")}}
  idle: {from: unread, key: host, aggregates: {n: count()}}
alerts:
  - {alert: Much, table: sums, expr: x > 20, for: 1m}
  - {alert: High, table: peaks, expr: top > 8}
"""
RECORD = st.builds(
    lambda stream, ts, host, x: (stream, {"ts": BASE + ts * 1000, "host": host, "x": x}),
    st.sampled_from("ab"), st.integers(0, 600), st.sampled_from("pq"), st.integers(0, 9),
)  # fmt: skip


def rows(harness: Harness, table: str) -> list[Any]:
    """Return all rows of a table."""
    return harness.table(table).rows()


@settings(max_examples=30, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=80), st.integers(1, 50))
def test_it_is_the_harness_in_big_batches(records: list[tuple[str, dict[str, Any]]], size: int) -> None:
    """However records are cut into batches, rows, alerts and late rows are those of the Harness, one by one."""
    harness, replay = Harness(loads(APP), start=BASE, ahead=False), Replay(loads(APP))
    for stream in "ab":
        mine = [value for each, value in records if each == stream]
        for value in mine:
            harness.feed(stream, value, timestamp=BASE)
        for start in range(0, len(mine), size):
            replay.take(stream, 0, [json.dumps(value).encode() for value in mine[start : start + size]])
    for table in ("sums", "peaks", "totals"):
        assert rows(replay, table) == rows(harness, table)
    live = [(each.name, each.labels, each.active_at, each.fired_at) for each in replay.alerts()]
    assert live == [
        (each.name, each.labels, each.active_at, each.fired_at) for each in harness.alerts() if each.state != "resolved"
    ]
    ended = [each for each in replay.timeline.sorted() if each.state == "resolved"]
    assert sorted((each.alert, each.key, each.fired_at, each.ended_at) for each in ended) == sorted(
        (each.name, each.labels["host"].encode(), each.fired_at, each.resolved_at)
        for each in harness.alerts()
        if each.state == "resolved"
    )
    assert replay.late_rows == sum(harness.late(table) for table in ("sums", "peaks"))


def test_finish_closes_the_whole_chain() -> None:
    """Closing the first table's windows feeds the second; alerts of the last windows are judged, and none after."""
    replay = Replay(loads(APP))
    values = [json.dumps({"ts": BASE + at * 1000, "host": "p", "x": 9}).encode() for at in range(0, 150, 5)]
    replay.take("a", 0, list(values))
    (total,) = rows(replay, "totals")
    assert total.values == {"minutes": 2, "x": 216}
    replay.finish()
    (total,) = rows(replay, "totals")
    assert total.values == {"minutes": 3, "x": 270}
    assert all(row.closed for row in rows(replay, "sums"))
    (alert,) = replay.timeline.sorted()
    assert (alert.active_at, alert.fired_at, alert.state) == (BASE + 60_000, BASE + 120_000, "firing")


def test_streams_are_read_together(tmp_path: Path) -> None:
    """Of several files, the stream that is behind is read next, whatever is read at once; what nobody feeds is left."""
    paths: dict[str, list[Path]] = {"a": [], "b": []}
    for stream, found in paths.items():
        for part in range(2):
            path = tmp_path / f"{stream}{part}.jsonl"
            times = range(part * 300, part * 300 + 300)
            path.write_text("".join(f'{{"ts": {BASE + at * 1000}, "host": "p", "x": 1}}\n' for at in times))
            found.append(path)
    order: list[str] = []

    class Watched(Replay):
        def take(self, topic: str, partition: int, values: list[bytes | None]) -> None:
            order.append(topic)
            super().take(topic, partition, values)

    replay = Watched(loads(APP))
    Files(paths).play(replay, lambda _: None)
    assert (order, replay.records) == (["a", "b", "a", "b"], 1200)
    assert {lane.topic for lane in replay._lanes} == {"a", "b", "t-sums"}  # noqa: SLF001 - its own part


def test_many_frames_and_members_are_one_file(tmp_path: Path) -> None:
    """Packed files that were appended to are read to their end."""
    app = loads(APP)
    stream = Replay(app).plan.streams["a"]
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(b"".join(bytes(cramjam.zstd.compress(b'{"x": %d}\n' % at)) for at in range(3)))
    assert [each for chunk in files.chunks(path, stream) for each in chunk.values] == [
        b'{"x": 0}', b'{"x": 1}', b'{"x": 2}',
    ]  # fmt: skip
