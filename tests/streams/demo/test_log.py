"""The demo's plain recount, against the worker's own engine over the same file, and against lines made by hand."""

from __future__ import annotations

from importlib.resources import files

import pytest

from streams.demo.log import HOUR, SITE, client_of, expected_alerts, lines, recount
from streams.testing import Harness

LINE = b'%s - - [20/May/2015:%s:59 +0200] "GET /a HTTP/1.1" %d %s "-" "a browser"'
NINE = 1_432_105_200_000
"""20 May 2015, 07:00 UTC."""


def test_a_line_is_counted_by_hour_site_and_client() -> None:
    """The hour is that of UTC, `-` is no byte, 4xx is refused and 5xx is not; a line of another form is broken."""
    log = [
        LINE % (b"10.0.0.1", b"09:00", 200, b"10"),
        LINE % (b"10.0.0.1", b"09:59", 404, b"-"),
        LINE % (b"::1", b"10:00", 503, b"7"),
        b"nonsense",
    ]
    assert recount(log) == (
        {(SITE, NINE): (2, 1, 10), (SITE, NINE + HOUR): (1, 0, 7)},
        {("10.0.0.1", NINE): (2, 1, 10), ("::1", NINE + HOUR): (1, 0, 7)},
        1,
    )
    assert [client_of(line) for line in log[1:3]] == [b"10.0.0.1", b"::1"]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([(100, 11), (100, 10), (100, 0)], [("firing", 1), ("resolved", 2)]),
        ([(100, 11), (0, 0), (100, 0)], [("firing", 1), ("resolved", 2)]),
        ([(100, 0), (49, 49), (50, 50), (100, 0)], [("firing", 3)]),
        ([(100, 0), (100, 99)], []),
    ],
    ids=["resolved by a row", "resolved by an empty hour", "50 requests at least", "the last hour stays open"],
)
def test_expected_alerts_follow_the_rule(hours: list[tuple[int, int]], expected: list[tuple[str, int]]) -> None:
    """More than a tenth of at least 50 requests refused, hour by hour; the last hour is still open."""
    sites = {(SITE, number * HOUR): (*hour, 0) for number, hour in enumerate(hours) if hour[0]}
    changes = list(expected_alerts(sites))
    assert changes == [(status, end * HOUR) for status, end in expected]


def fed(topic: str) -> Harness:
    """Return the demo's own declaration, with the whole log in one of its topics."""
    made = Harness(str(files("streams.demo").joinpath("demo.yaml")))
    log = lines()
    for start in range(0, len(log), 997):
        made.feed_many(topic, log[start : start + 997])
    return made


@pytest.mark.parametrize(("topic", "table", "which"), [("demo.access", "site", 0), ("demo.visits", "clients", 1)])
def test_the_engine_counts_what_the_recount_counts(topic: str, table: str, which: int) -> None:
    """Per key and hour: requests, refused requests and bytes."""
    rows = {
        (row.key, row.start): tuple(row.values[name] for name in ("requests", "refused", "bytes"))
        for row in fed(topic).table(table).rows()
    }
    assert len(rows) > 80
    assert rows == recount(lines())[which]


def test_the_rule_fires_and_is_resolved_on_the_real_log() -> None:
    """The alert events are those that the recount expects, and there is at least one of each kind."""
    events = [each.value for each in fed("demo.access").emitted("demo-alerts")]
    found = [(event["status"], event["endsAt"] or event["startsAt"]) for event in events]
    expected = list(expected_alerts(recount(lines())[0]))
    assert [status for status, _ in found] == [status for status, _ in expected]
    assert {"firing", "resolved"} <= {status for status, _ in found}
