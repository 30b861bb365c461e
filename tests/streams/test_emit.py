"""Emitted rows: updates that are gathered, and rows that are withdrawn when they expire; through any crashes."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.effects import Event as Sent
from streams.effects import Limits
from streams.load import loads
from streams.testing import Harness
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event, Oracle, Shape, aggregates
from tests.streams.test_engine_oracle import SECOND, encode, events_of, in_ms, planned, shapes, steps

NAMES = ("n", "total", "low", "high", "final")
At = tuple[int, str]
crashing = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def place(event: Sent) -> At:
    """Return window start and key of an emitted row or tombstone, as its headers and its record key say."""
    return int(dict(event.headers)["start"]), (event.key or b"").decode()


def emitted(partition: Partition) -> list[Sent]:
    """Return what a partition sent to the topic of its rows."""
    return [event for event in partition.sent if event.topic == "t-traffic"]


@crashing
@given(
    shape=shapes,
    moves=st.lists(steps, max_size=40),
    random=st.randoms(use_true_random=False),
    every=st.sampled_from([1, 10, 15, 3600]),
)
def test_gathered_updates_end_as_the_rows(
    shape: Shape, moves: list[tuple[str, int, int]], random: Random, every: int
) -> None:
    """Once the watermark has passed, the newest update of each window and key is its row; repeats are equal."""
    events = events_of(moves)
    partition = Partition(planned(shape, emit=f"{{update: {every}s}}"), encode(events), random, crashes=6).run()
    partition.crashes = 0
    partition.drive(partition.engine.tick(partition.engine.progress.watermark + 3_600_000))
    newest: dict[At, tuple[int, dict[str, int]]] = {}
    once: dict[tuple[At, int], bytes | None] = {}
    for event in emitted(partition):
        n, body = int(dict(event.headers)["n"]), json.loads(event.value or b"")
        assert once.setdefault((place(event), n), event.value) == event.value
        newest[place(event)] = max(newest.get(place(event), (0, {})), (n, {name: body[name] for name in NAMES}))
    rows = {at: aggregates(found) for at, found in Oracle(in_ms(shape)).read(events).rows.items()}
    assert {at: row for at, (_, row) in newest.items()} == rows


@crashing
@given(
    shape=shapes,
    moves=st.lists(steps, max_size=40),
    random=st.randoms(use_true_random=False),
    emit=st.sampled_from(["close", "update"]),
    keep=st.sampled_from([1, 40]),
    records=st.sampled_from([4, 6, 20_000]),
)
def test_expired_rows_are_withdrawn_once(  # noqa: PLR0913, PLR0917 - what hypothesis draws
    shape: Shape, moves: list[tuple[str, int, int]], random: Random, emit: str, keep: int, records: int
) -> None:
    """Each row that went out is followed by a tombstone with its window once it has expired, also through crashes."""
    events = events_of([*moves, ("end", 9000, 0)])
    plan = planned(shape, keep=f"{keep}s", emit=emit)
    partition = Partition(plan, encode(events), random, Limits(records), crashes=8).run()
    partition.crashes = 0
    for _ in range(2):  # a window is withdrawn after the write that closed it
        partition.drive(partition.engine.tick(partition.engine.progress.watermark + 1))
    sent = emitted(partition)
    oracle = Oracle(in_ms(shape)).read(events)
    rows = oracle.closed if emit == "close" else oracle.rows
    expired = {at for at in oracle.closed if at[0] + (shape.size + keep) * SECOND <= oracle.watermark}
    last = {place(event): event.value for event in sent}
    assert last.keys() == rows.keys()
    assert {at for at, value in last.items() if value is None} == expired
    assert {dict(event.headers)["reason"] for event in sent if event.value is None} <= {b"expired"}


def test_a_tombstone_comes_once() -> None:
    """Without crashes nothing is sent twice: neither rows nor tombstones."""
    events = [Event(offset, "ab"[offset % 2], BASE + offset * SECOND, 1) for offset in range(100)]
    shape = Shape(10, 10, 0)
    sent = emitted(Partition(planned(shape, keep="20s"), encode(events), Random(1)).run())  # noqa: S311 - a test's dice
    times: dict[tuple[At, bool], int] = defaultdict(int)
    for event in sent:
        times[place(event), event.value is None] += 1
    assert set(times.values()) == {1}
    assert sum(gone for _, gone in times) == 14


def harness(emit: str) -> Harness:
    """Return a Harness with one table of windows of a minute, without grace."""
    return Harness(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host}}
tables:
  total: {{from: access, key: host, window: {{tumbling: 1m, grace: 0s}}, emit: {emit}, aggregates: {{n: count()}}}}
""")
    )


def test_expired_rows_are_not_shown() -> None:
    """A row goes as a whole when its window's end + keep has passed, also where later windows still need its panes."""
    app = """
app: t
streams:
  access: {topic: access, time: {field: ts, unit: ms}, key: host}
tables:
  total:
    from: access
    key: host
    window: {hopping: 30s, every: 10s, grace: 0s}
    keep: 1m
    aggregates: {n: count()}
"""
    made = Harness(loads(app))
    begin = BASE // 30_000 * 30_000
    for second in range(121):
        made.feed("access", {"host": "a", "ts": begin + second * SECOND}, key="a")
    rows = {row.start: row.values["n"] for row in made.table("total").rows()}
    assert min(rows) == begin + 40 * SECOND
    assert {n for start, n in rows.items() if start <= begin + 90 * SECOND} == {30}


def counts(made: Harness) -> list[int]:
    """Return the counts that went out so far."""
    return [each.value["n"] for each in made.emitted("t-total")]


def feed(made: Harness, *seconds: float) -> list[int]:
    """Feed a record for each time, one batch each, and return the counts that went out so far."""
    for second in seconds:
        made.feed("access", {"host": "a", "ts": BASE // 60_000 * 60_000 + round(second * 1000)}, key="a")
    return counts(made)


def test_updates_are_gathered_until_the_watermark_passes_a_multiple() -> None:
    """`{update: 10s}` sends a row once when event time passes 10 s, and once more when its window closes."""
    made = harness("{update: 10s}")
    assert feed(made, 1, 2, 9.9) == []
    assert feed(made, 10) == [4]
    assert feed(made, 11, 12, 19) == [4]
    assert feed(made, 60) == [4, 7, 1]


def test_silence_lets_gathered_updates_go_out() -> None:
    """Where no input comes any more, time that passes sends what waits."""
    made = harness("{update: 10s}")
    assert feed(made, 1, 2) == []
    made.advance("61s")
    assert counts(made)[0] == 2


def test_each_update_goes_out_without_a_time() -> None:
    """`update` sends a row with each batch that changes it."""
    assert feed(harness("update"), 1, 2, 3) == [1, 2, 3]
