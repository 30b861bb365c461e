"""Windows of a number of rows through the Harness: numbers, updates, expiry, alerts, chains, a re-key, a new column."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from streams.load import loads
from streams.spec import Declaration
from streams.testing import Harness
from tests.streams.test_engine import event, planned
from tests.streams.test_upgrading import Lives

BASE = 1_700_000_000_000
SECOND = 1000
PARTS = """
app: shop
streams:
  parts: {topic: parts, time: {field: ts, unit: ms}, key: KEY, idle: 1m}
tables:
  lots:
    from: parts
    key: machine
    window: {count: 3}
    keep: 5m
    emit: EMIT
    aggregates: {n: count(), faults: sum("faults")}
"""


def declared(emit: str = "close", key: str = "machine", more: str = "") -> Declaration:
    """Return the declaration of the parts, and more."""
    return loads(PARTS.replace("EMIT", emit).replace("KEY", key) + more)


def part(machine: str, at: float, faults: int = 1) -> dict[str, Any]:
    """Return a part, `at` seconds after the start."""
    return {"machine": machine, "ts": BASE + round(at * SECOND), "faults": faults, "hall": "h"}


def shown(harness: Harness, machine: str = "a") -> list[tuple[float, float, int, bool]]:
    """Return (start, end in seconds since the start, n, closed) of a machine's rows."""
    rows = harness.table("lots").rows(machine)
    return [(since(row.start), since(row.end), row.values["n"], row.closed) for row in rows]


def since(time: int | None) -> float:
    """Return how many seconds after the start a time is."""
    return ((time or 0) - BASE) / SECOND


def fed(harness: Harness, *times: float, machine: str = "a", faults: int = 1) -> Harness:
    """Feed parts of a machine, one by one."""
    for at in times:
        harness.feed("parts", part(machine, at, faults))
    return harness


def test_a_window_is_full_with_its_last_row_and_open_until_then() -> None:
    """It closes whatever its rows' times are; the next one waits, though silence lets the clock go on for hours."""
    harness = fed(Harness(declared()), 10, 30, 20, 0)
    harness.advance("5h")
    assert shown(harness)[:1] == [(0, 0.001, 1, False)], "the full one is kept for 5 minutes"
    assert harness.late("lots") == 0
    assert [each.value["window"]["end"] - BASE for each in harness.emitted("shop-lots") if each.value] == [30_001]


def test_windows_of_one_time_are_told_apart_by_their_numbers() -> None:
    """Nine rows of one instant are three windows with the same start and end, and with rising numbers."""
    harness = fed(Harness(declared()), *[1] * 9)
    assert shown(harness) == [(1, 1.001, 3, True)] * 3
    numbers = [int(dict(each.headers)["number"]) for each in harness.emitted("shop-lots")]
    assert numbers == sorted(set(numbers))
    assert [each.value["window"]["number"] for each in harness.emitted("shop-lots")] == numbers
    assert len(numbers) == 3


def test_updates_are_known_by_the_number() -> None:
    """A window keeps its number from its first row on, while start and end move with its rows."""
    harness = fed(Harness(declared("update")), 10, 30, 5, 40)
    sent = [(dict(each.headers)["number"], each.value) for each in harness.emitted("shop-lots")]
    first, last = sent[0][0], sent[-1][0]
    assert [(number, body["window"]["start"] - BASE, body["n"]) for number, body in sent] == [
        (first, 10_000, 1),
        (first, 10_000, 2),
        (first, 5_000, 3),
        (last, 40_000, 1),
    ]
    assert int(first) < int(last)


def test_full_windows_expire_and_are_withdrawn() -> None:
    """A full window is forgotten `keep` after it was full, by the minute; an open one never is."""
    harness = fed(Harness(declared()), 0, 1, 2, 3)
    fed(harness, 300, machine="b")
    assert len(shown(harness)) == 2
    fed(harness, 400, 401, machine="b")
    assert shown(harness) == [(3, 3.001, 1, False)]
    sent = [each for each in harness.emitted("shop-lots") if each.key == b"a"]
    assert [each.value is None for each in sent] == [False, True]
    of = [dict(each.headers) for each in sent]
    assert {name: of[1].pop(name) for name in ("reason",)} == {"reason": b"expired"}
    assert of[1] == of[0]


@pytest.mark.parametrize(("for_", "fired"), [("0s", 10.001), ("20s", 30.001)])
def test_an_alert_is_judged_when_a_window_is_full(for_: str, fired: float) -> None:
    """It holds from 1 ms after the time that the input had come to; `for` goes on with the watermark."""
    more = f"\nalerts:\n  - {{alert: Faulty, table: lots, expr: faults >= 2, for: {for_}}}\n"
    harness = fed(Harness(declared(more=more)), 10, 1, 2)
    fed(harness, 31, machine="b", faults=0)
    (alert,) = harness.alerts()
    assert (alert.state, since(alert.active_at), since(alert.fired_at)) == ("firing", 10.001, fired)
    fed(harness, 32, 33, 34, faults=0)
    (alert,) = harness.alerts()
    assert (alert.state, since(alert.resolved_at)) == ("resolved", 34.001)


def test_an_alert_ends_when_its_row_is_kept_no_longer() -> None:
    """A machine that makes nothing more is not faulty for ever, also in silence."""
    more = "\nalerts:\n  - {alert: Faulty, table: lots, expr: faults >= 2}\n"
    harness = fed(Harness(declared(more=more)), 0, 1, 2)
    harness.advance("10m")
    (alert,) = harness.alerts()
    assert (alert.state, since(alert.resolved_at)) == ("resolved", 302.001)


def test_open_windows_are_judged_on_update() -> None:
    """It fires as from the start of the open window that holds, and resolves when a full one does not hold."""
    more = "\nalerts:\n  - {alert: Faulty, table: lots, expr: faults >= 2, judge: update}\n"
    harness = fed(Harness(declared(more=more)), 0, 1)
    assert [(each.state, since(each.fired_at)) for each in harness.alerts()] == [("firing", 0)]
    fed(harness, 2)
    fed(harness, 3, 4, 5, faults=0)
    assert [(each.state, since(each.resolved_at)) for each in harness.alerts()] == [("resolved", 5.001)]


def test_a_table_reads_the_full_windows() -> None:
    """Each full window is one row of the table behind it, at its last ms; one in order is never late there."""
    more = """
  minutes:
    from: lots
    key: machine
    window: {tumbling: 1m, grace: 0s}
    aggregates: {lots: count(), parts: sum("n"), begins: min("window.start")}
"""
    harness = fed(Harness(declared("none", more=more)), *range(0, 200, 10))
    rows = [(since(row.start) + 20, row.values) for row in harness.table("minutes").rows()]
    assert rows == [
        (0, {"lots": 1, "parts": 3, "begins": BASE}),
        (60, {"lots": 2, "parts": 6, "begins": BASE + 30_000}),
        (120, {"lots": 2, "parts": 6, "begins": BASE + 90_000}),
        (180, {"lots": 1, "parts": 3, "begins": BASE + 150_000}),
    ]
    assert harness.late("minutes") == 0


@pytest.mark.parametrize("seed", range(5))
def test_behind_a_re_key_each_row_counts_in_one_window(seed: int) -> None:
    """Rows of all partitions fill the windows of a key as they come: all are full but the last, none is lost."""
    random, harness = Random(seed), Harness(declared(key="hall"), partitions=3)  # noqa: S311 - a test's dice
    parts = [part(random.choice("abcd"), random.randrange(100)) for _ in range(200)]
    for each in parts:
        harness.feed_many("parts", [{"value": each, "partition": random.randrange(3)}])
    counts = Counter(each["machine"] for each in parts)
    for machine, count in counts.items():
        found = [row.values["n"] for row in harness.table("lots").rows(machine)]
        assert sorted(found, reverse=True) == [3] * (count // 3) + [count % 3] * (count % 3 > 0)


def test_a_window_waits_for_no_other_partition() -> None:
    """Where nothing was heard of the other partitions of the input yet, windows are full and go out all the same."""
    harness = Harness(declared(key="hall"), partitions=3)
    for at in range(3):
        harness.feed_many("parts", [{"value": part("a", at), "partition": 1}])
    assert shown(harness) == [(0, 2.001, 3, True)]
    assert len(harness.emitted("shop-lots")) == 1


def test_a_new_column_begins_with_the_next_window() -> None:
    """A window that had rows before the change shows null, also where it is full after it; the next one is whole."""
    counts = "window: {count: 3}, keep: 1h,"
    life = Lives(planned(counts, aggregates="n: count()"))
    life.feed(event(1, v=5), event(2, v=7), event(3, "b", v=1))
    life = life.turn(planned(counts, aggregates='n: count(), top: max("v")'))
    life.feed(event(3, v=3), event(4, v=9), event(5, "c", v=4))
    assert life.rows() == {
        (1, "a"): {"n": 3, "top": None},
        (3, "b"): {"n": 1, "top": None},
        (4, "a"): {"n": 1, "top": 9},
        (5, "c"): {"n": 1, "top": 4},
    }
