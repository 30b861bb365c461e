"""Sliding windows through the Harness: which there are, late rows, updates, expiry, alerts, chains, a re-key."""

from __future__ import annotations

from typing import Any

from streams.load import loads
from streams.spec import Declaration
from streams.testing import Harness

BASE = 1_700_000_000_000
SECOND = 1000
LOGINS = """
app: shop
streams:
  logins: {topic: logins, time: {field: ts, unit: ms}, key: KEY}
tables:
  recent:
    from: logins
    key: user
    window: {sliding: 10s, grace: GRACE}
    keep: 5m
    late: logins.late
    emit: EMIT
    aggregates: {n: count(), failed: sum("failed")}
"""


def declared(emit: str = "close", key: str = "user", more: str = "", grace: str = "30s") -> Declaration:
    """Return the declaration of the logins, and more."""
    return loads(LOGINS.replace("EMIT", emit).replace("KEY", key).replace("GRACE", grace) + more)


def login(user: str, at: float, failed: int = 1) -> dict[str, Any]:
    """Return a login, `at` seconds after the start."""
    return {"user": user, "ts": BASE + round(at * SECOND), "failed": failed, "page": "/"}


def shown(harness: Harness, user: str = "ann") -> list[tuple[float, float, int]]:
    """Return (start, end in seconds since the start, n) of a user's rows."""
    rows = harness.table("recent").rows(user)
    return [(since(row.start), since(row.end), row.values["n"]) for row in rows]


def since(time: int | None) -> float:
    """Return how many seconds after the start a time is."""
    return ((time or 0) - BASE) / SECOND


def fed(harness: Harness, *times: float, user: str = "ann") -> Harness:
    """Feed logins of a user, one by one."""
    for at in times:
        harness.feed("logins", login(user, at))
    return harness


WINDOWS = [(-10, 0.001, 1), (-4, 6.001, 2), (0, 10.001, 3), (0.001, 10.002, 2), (6.001, 16.002, 1)]


def test_both_ends_are_included() -> None:
    """Rows at 0, 6 and 10 s, as the page of semantics draws them: the first and the last are in one window."""
    assert shown(fed(Harness(declared()), 0, 6, 10)) == WINDOWS


def test_any_order_within_the_grace_makes_the_same_windows() -> None:
    """A row that comes late makes its own windows, and is added to all that hold it."""
    assert shown(fed(Harness(declared()), 10, 0, 6)) == shown(fed(Harness(declared()), 6, 10, 0)) == WINDOWS


def test_rows_of_one_time_make_one_pair_of_windows() -> None:
    """Two rows at 0 s count twice in one window; a ms more than 10 s apart rows share none."""
    assert shown(fed(Harness(declared()), 0, 0)) == [(-10, 0.001, 2)]
    assert shown(fed(Harness(declared()), 0, 10.001)) == [(-10, 0.001, 1), (0.001, 10.002, 1)]


def test_a_closed_window_never_changes() -> None:
    """A row counts in the windows that are open when it comes: not in its own, which is closed; a later one is late."""
    harness = fed(Harness(declared(grace="0s")), 0, 8)
    fed(harness, 12, user="bob")
    fed(harness, 4, 1.999)
    assert shown(harness) == [(-10, 0.001, 1), (-2, 8.001, 2), (0.001, 10.002, 1), (4.001, 14.002, 1)]
    assert harness.late("recent") == 1
    assert [each.value["ts"] - BASE for each in harness.emitted("logins.late")] == [1_999]


def test_updates_send_every_window_that_changes() -> None:
    """A row sends the windows that hold it and the one that begins after it; nothing is taken back."""
    harness = fed(Harness(declared("update")), 0, 6)
    before = len(harness.emitted("shop-recent"))
    fed(harness, 3)
    sent = sorted(
        (int(dict(each.headers)["start"]) - BASE, each.value["n"]) for each in harness.emitted("shop-recent")[before:]
    )
    assert sent == [(-7_000, 2), (-4_000, 3), (1, 2), (3_001, 1)]


def test_rows_expire_one_by_one_and_are_withdrawn() -> None:
    """A row is not shown any more when the watermark is at its end + keep; its tombstone follows with its drawer."""
    harness = fed(Harness(declared()), 0, 6, 10)
    fed(harness, 306, user="bob")
    assert shown(harness) == WINDOWS[1:]
    fed(harness, 306.001, user="bob")
    assert shown(harness) == WINDOWS[2:]
    fed(harness, 900, user="bob")
    assert shown(harness) == []
    gone = [each for each in harness.emitted("shop-recent") if each.value is None and each.key == b"ann"]
    assert [(since(int(dict(each.headers)["start"])), dict(each.headers)["reason"]) for each in gone] == [
        (start, b"expired") for start, _, _ in WINDOWS
    ]


def test_an_alert_fires_at_the_end_of_the_window_that_holds() -> None:
    """It fires at the third failure in 10 s, exactly, and resolves at the first window that has less."""
    more = "\nalerts:\n  - {alert: Guessing, table: recent, expr: failed >= 3}\n"
    harness = fed(Harness(declared(more=more)), 0, 6, 10)
    fed(harness, 40.001, user="bob")
    assert [(each.state, since(each.fired_at)) for each in harness.alerts()] == [("firing", 10.001)]
    fed(harness, 40.002, user="bob")
    (alert,) = harness.alerts()
    assert (alert.state, since(alert.resolved_at)) == ("resolved", 10.002)


def test_a_table_reads_the_closed_windows() -> None:
    """Each closed window is one row of the table behind it."""
    more = """
  peaks:
    from: recent
    key: user
    aggregates: {windows: count(), most: max("n")}
"""
    harness = fed(Harness(declared("none", more=more)), 0, 6, 10)
    fed(harness, 100, user="bob")
    rows = {str(row.key): row.values for row in harness.table("peaks").rows()}
    assert rows == {"ann": {"windows": 5, "most": 3}}


def test_sliding_windows_behind_a_re_key() -> None:
    """Rows of all partitions meet at the key."""
    harness = Harness(declared(key="page"), partitions=2)
    for partition, at in ((0, 0), (1, 6), (0, 10)):
        harness.feed_many("logins", [{"value": login("ann", at), "partition": partition}])
    assert shown(harness) == WINDOWS
