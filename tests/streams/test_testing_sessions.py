"""Session windows through the Harness: merges, late rows, alerts, tables that read a table of sessions, a re-key."""

from __future__ import annotations

from typing import Any

import pytest

from streams.load import loads
from streams.spec import Declaration
from streams.testing import Harness

BASE = 1_700_000_000_000
SECOND = 1000
VISITS = """
app: shop
streams:
  clicks: {topic: clicks, time: {field: ts, unit: ms}, key: KEY}
tables:
  visits:
    from: clicks
    key: user
    window: {session: 10s, grace: GRACE}
    keep: 1h
    late: clicks.late
    emit: EMIT
    aggregates: {n: count(), spent: sum("price"), page: last("page")}
"""


def declared(emit: str = "close", key: str = "user", more: str = "", grace: str = "5s") -> Declaration:
    """Return the declaration of the visits, and more."""
    return loads(VISITS.replace("EMIT", emit).replace("KEY", key).replace("GRACE", grace) + more)


def click(user: str, at: float, price: int = 1, page: str = "/") -> dict[str, Any]:
    """Return a click, `at` seconds after the start."""
    return {"user": user, "ts": BASE + round(at * SECOND), "price": price, "page": page}


def shown(harness: Harness) -> list[tuple[str, float, float, int, bool]]:
    """Return (user, start, end in seconds since the start, n, closed) of all rows."""
    return [
        (str(row.key), since(row.start), since(row.end), row.values["n"], row.closed)
        for row in harness.table("visits").rows()
    ]


def since(time: int | None) -> float:
    """Return how many seconds after the start a time is."""
    return ((time or 0) - BASE) / SECOND


def test_a_row_in_between_merges_two_sessions() -> None:
    """As in Kafka Streams: at most the gap away from both, it makes them one; a ms more, and they stay apart."""
    harness = Harness(declared(grace="30s"))
    for at in (0, 18):
        harness.feed("clicks", click("ann", at))
    assert [row[1:4] for row in shown(harness)] == [(0, 10.001, 1), (18, 28.001, 1)]
    harness.feed("clicks", click("ann", 7.999))
    assert [row[1:4] for row in shown(harness)] == [(0, 18, 2), (18, 28.001, 1)]
    harness.feed("clicks", click("ann", 9))
    assert [row[1:4] for row in shown(harness)] == [(0, 28.001, 4)]


def test_a_closed_session_is_final_and_never_joined() -> None:
    """A row within the gap of a closed session, but in time, begins its own; a later one is late, and sent along."""
    harness = Harness(declared())
    for user, at in (("ann", 0), ("bob", 15.001), ("ann", 9), ("ann", 0.000)):
        harness.feed("clicks", click(user, at))
    assert shown(harness) == [
        ("ann", 0, 10.001, 1, True),
        ("ann", 9, 19.001, 1, False),
        ("bob", 15.001, 25.002, 1, False),
    ]
    assert harness.late("visits") == 1
    (late,) = harness.emitted("clicks.late")
    assert late.value["ts"] == BASE
    (row,) = harness.emitted("shop-visits")
    assert row.value == {
        "user": "ann",
        "window": {"start": BASE, "end": BASE + 10_001},
        "n": 1,
        "spent": 1,
        "page": "/",
    }


def test_updates_take_back_what_has_become_another_window() -> None:
    """With `emit: update` a session that grew, or was merged away, is taken back by a tombstone before the new row."""
    harness = Harness(declared("update", grace="30s"))
    for at in (0, 18, 9):
        harness.feed("clicks", click("ann", at))
    sent = [
        (int(dict(each.headers)["start"]) - BASE, int(dict(each.headers)["end"]) - BASE, each.value and each.value["n"])
        for each in harness.emitted("shop-visits")
    ]
    assert sent == [(0, 10_001, 1), (18_000, 28_001, 1), (18_000, 28_001, None), (0, 10_001, None), (0, 28_001, 3)]


ALERT = """
alerts:
  - {alert: Big, table: visits, expr: spent > 10, for: FOR, keep_firing_for: KEEP}
"""


@pytest.mark.parametrize(("for_", "fired"), [("0s", 10.001), ("1m", 70.001)])
def test_an_alert_stands_on_the_last_session_until_its_row_is_gone(for_: str, fired: float) -> None:
    """It fires at the end of the session, or `for` later; a key that never comes back resolves at end + keep."""
    harness = Harness(declared(more=ALERT.replace("FOR", for_).replace("KEEP", "0s")))
    harness.feed("clicks", click("ann", 0, price=50))
    harness.feed("clicks", click("bob", 200))
    assert [(each.state, (each.fired_at or 0) - BASE) for each in harness.alerts()] == [
        ("firing", round(fired * SECOND))
    ]
    harness.feed("clicks", click("bob", 3700))
    (alert,) = harness.alerts()
    assert (alert.state, (alert.resolved_at or 0) - BASE) == ("resolved", 3_610_001)


def test_an_alert_resolves_at_the_next_own_session_that_does_not_hold() -> None:
    """Sessions of other keys say nothing; `keep_firing_for` counts from the end of the own session that misses."""
    harness = Harness(declared(more=ALERT.replace("FOR", "0s").replace("KEEP", "30s")))
    for user, at, price in (("ann", 0, 50), ("bob", 20, 1), ("bob", 50, 1), ("ann", 60, 1), ("bob", 100, 1)):
        harness.feed("clicks", click(user, at, price=price))
    assert [each.state for each in harness.alerts()] == ["firing"]
    harness.feed("clicks", click("bob", 105.001))
    (alert,) = harness.alerts()
    assert (alert.state, (alert.resolved_at or 0) - BASE) == ("resolved", 100_001)


def test_a_table_reads_the_closed_sessions_of_a_table() -> None:
    """Each closed session is one row of the table behind it, at the last ms of the session."""
    more = """
  lengths:
    from: visits
    key: page
    window: {tumbling: 1h, grace: 0s}
    aggregates: {sessions: count(), clicks: sum("n")}
"""
    harness = Harness(declared("none", more=more))
    for user, at, page in (("ann", 0, "/a"), ("bob", 3, "/b"), ("ann", 9, "/b"), ("bob", 60, "/b"), ("bob", 99, "/c")):
        harness.feed("clicks", click(user, at, page=page))
    rows = {str(row.key): row.values for row in harness.table("lengths").rows()}
    assert rows == {"/b": {"sessions": 3, "clicks": 4}}


def test_sessions_behind_a_re_key() -> None:
    """Rows of all partitions meet at the key; a session closes when every partition has passed it."""
    harness = Harness(declared(key="page"), partitions=2)
    for partition, at in ((0, 0), (1, 9), (0, 30)):
        harness.feed_many("clicks", [{"value": click("ann", at), "partition": partition}])
    assert [row[1:] for row in shown(harness)] == [(0, 19.001, 2, False), (30, 40.001, 1, False)]
    harness.feed_many("clicks", [{"value": click("bob", 30), "partition": 1}])
    assert [row[1:] for row in shown(harness) if row[0] == "ann"] == [(0, 19.001, 2, True), (30, 40.001, 1, False)]
