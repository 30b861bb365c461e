"""The Harness with tables that are re-keyed: like local ones where it may be, and by the least partition otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.backtest.replay import Replay
from streams.load import loads
from streams.testing import Harness

BASE = 1_700_000_000_000
SECOND = 1000
APP = """
app: t
streams:
  s: {topic: s, time: {field: ts, unit: ms}, KEY}
tables:
  c:
    from: s
    key: user
    where: v >= 0
    derive: {double: v * 2}
    window: {hopping: 20s, every: 10s, grace: 0s}
    emit: close
    late: late
    aggregates: {n: count(), total: sum("double"), final: last("v")}
alerts:
  - {alert: Many, table: c, expr: n >= 2}
"""


def event(second: int, user: str = "ann", v: int = 1) -> dict[str, Any]:
    """Return an event at a second after `BASE`."""
    return {"user": user, "ts": BASE + second * SECOND, "v": v}


def harness(key: str = "", partitions: int = 1, idle: str = "1m") -> Harness:
    """Return a Harness of the app above; without a key its table is re-keyed."""
    return Harness(loads(APP.replace("KEY", f"idle: {idle}, {key}")), partitions=partitions)


def test_one_partition_is_as_a_local_table() -> None:
    """With a single partition a re-keyed table says what the same table says without a re-key, after silence too."""
    said = []
    for key in ("key: user", ""):
        made = harness(key)
        made.feed_many(
            "s", [event(1), event(4, "bob", 2), event(2, v=3), event(3, v=-1), event(25), event(1, "bob", 5)]
        )
        for _ in range(3):
            made.advance("30s")
        made.feed("s", event(300))
        made.advance("5m")
        emitted = {
            topic: [(each.key, each.value) for each in made.emitted(topic)] for topic in ("t-c", "late", "t-alerts")
        }
        said.append((emitted, made.alerts(), made.late("c")))
    assert said[0] == said[1]
    assert len(said[0][0]["t-c"]) > 5
    assert said[0][0]["late"]
    assert said[0][1]


def test_rows_of_all_partitions_come_together() -> None:
    """A key's rows are one row, wherever they were read, in the partition of the key."""
    made = harness(partitions=3)
    for partition in range(3):
        made.feed("s", event(1, v=partition), partition=partition)
    (*rows,) = made.table("c").rows()
    assert {(row.key, row.values["n"], row.values["total"]) for row in rows} == {("ann", 3, 6)}
    assert made.emitted("t-c-repartition") == []


def test_windows_close_by_the_least_partition() -> None:
    """The slowest partition holds windows open; one that is silent for long enough no longer does."""
    made = harness(partitions=2)
    made.feed("s", event(1), partition=0)
    made.feed("s", event(2), partition=1)
    made.feed("s", event(50), partition=0)
    assert made.emitted("t-c") == []
    made.feed("s", event(70), partition=0)
    rows = made.emitted("t-c")
    assert [each.value["n"] for each in rows] == [2, 2, 1, 1]
    assert len({each.partition for each in rows}) == 1


@pytest.mark.parametrize("idle", ["1m", "never"])
def test_silence_of_all_partitions_closes_windows(idle: str) -> None:
    """Where all partitions are silent the clock closes what they left; with `idle: never` it does not."""
    made = harness(partitions=2, idle=idle)
    made.feed("s", event(1), partition=0)
    made.feed("s", event(2), partition=1)
    for _ in range(4):
        made.advance("30s")
    assert len(made.emitted("t-c")) == (2 if idle == "1m" else 0)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_backtest_goes_through_the_rekey(partitions: int) -> None:
    """A replay gives a re-keyed table the rows that it gives a local one, from any number of partitions."""
    found = {}
    for key, count in (("key: user", 1), ("", partitions)):
        replay = Replay(loads(APP.replace("KEY", key)), count)
        for partition in range(count):
            rows = [event(second) for second in range(60) if second % count == partition]
            replay.take("s", partition, [json.dumps(row).encode() for row in rows])
        replay.finish()
        found[key] = {(row.start, row.key): row.values for row in replay.table("c").rows()}
        assert replay.late_rows == 0
        assert replay.last == BASE + 59 * SECOND
    assert found["key: user"] == found[""]
    assert len(found[""]) == 7
