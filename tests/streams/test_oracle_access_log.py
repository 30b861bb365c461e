"""The real access log through the Harness, against a recount in plain Python with a parser of its own."""

from __future__ import annotations

import gzip
import math
import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.load import loads
from streams.testing import Harness
from tests.streams.lives import ms

LOG = Path(__file__).resolve().parents[2] / "streams" / "data" / "access_log.gz"
LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] ".*?(?<!\\)" (\d{3}) (\d+|-) ".*" ".*"$')
HOUR = 3_600_000
GRACE = 120_000
APP = """
app: web
streams:
  access: {topic: web.access, codec: nginx, time: time, derive: {kind: "coalesce(method, 'none')"}, key: status}
tables:
  statuses:
    from: access
    key: status
    window: {tumbling: 1h, grace: 2m}
    keep: 52w
    emit: close
    aggregates:
      hits: count()
      gets: count(where="kind == 'GET'")
      sent: sum("bytes")
      sized: count("bytes")
      largest: max("bytes")
      smallest: min("bytes")
      mean_sent: mean("bytes")
      p90: quantile(0.9, "bytes")
alerts:
  - {alert: ManyMissing, table: statuses, expr: status == 404 and hits >= 3, for: 1h, keep_firing_for: 1h}
"""


class Hit(NamedTuple):
    """One line of the log, read by this file's own pattern."""

    time: int
    method: str
    status: str
    sent: int | None


def hits() -> list[Hit]:
    """Return the lines in the order of the file; the one that is cut off in its last field is none."""
    found = []
    for line in gzip.decompress(LOG.read_bytes()).decode().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        at = datetime.strptime(match[2], "%d/%b/%Y:%H:%M:%S %z")
        method = line.split('"')[1].split(" ")[0]
        found.append(Hit(round(at.timestamp()) * 1000, method, match[3], None if match[4] == "-" else int(match[4])))
    return found


@pytest.fixture(scope="module", params=[10_000, 777])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Return a Harness that has read the whole log, in batches of this many lines."""
    lines = gzip.decompress(LOG.read_bytes()).splitlines()
    made = Harness(loads(APP))
    for start in range(0, len(lines), request.param):
        made.feed_many("web.access", lines[start : start + request.param])
    return made


def by_hour() -> dict[tuple[str, int], list[Hit]]:
    """Return the hits of each status and hour."""
    groups = defaultdict(list)
    for hit in hits():
        groups[hit.status, hit.time - hit.time % HOUR].append(hit)
    return groups


def test_rows_are_a_recount(harness: Harness) -> None:
    """Every row of every hour is that of the recount; the quantile is within its stated error of 1 %."""
    groups = by_hour()
    rows = {(row.key, row.start): row.values for row in harness.table("statuses").rows()}
    assert rows.keys() == groups.keys()
    for at, found in groups.items():
        sizes = sorted(hit.sent for hit in found if hit.sent is not None)
        row = dict(rows[at])
        quantile, mean = row.pop("p90"), row.pop("mean_sent")
        assert row == {
            "hits": len(found),
            "gets": sum(hit.method == "GET" for hit in found),
            "sent": sum(sizes),
            "sized": len(sizes),
            "largest": sizes[-1] if sizes else None,
            "smallest": sizes[0] if sizes else None,
        }
        assert mean == (pytest.approx(math.fsum(sizes) / len(sizes), rel=1e-12) if sizes else None)
        if sizes:
            near = {sizes[math.floor(0.9 * (len(sizes) - 1))], sizes[math.ceil(0.9 * (len(sizes) - 1))]}
            assert any(abs(quantile - size) <= 0.0101 * size for size in near)


def test_nothing_is_late_with_two_minutes_of_grace(harness: Harness) -> None:
    """The lines are shuffled by up to 59 s, so two minutes of grace lose none; each is in one row."""
    assert sum(row.values["hits"] for row in harness.table("statuses").rows()) == len(hits()) == 9_999


def test_the_line_that_is_cut_off_is_a_dead_letter(harness: Harness) -> None:
    """The one damaged line of the file comes out as it went in, with reason and offset."""
    (letter,) = harness.emitted("web-dead-letters")
    lines = gzip.decompress(LOG.read_bytes()).splitlines()
    headers = dict(letter.headers)
    assert headers["__streams.errors.exception"] == b"not_an_access_log_line"
    assert letter.value == lines[int(headers["__streams.errors.offset"])]
    assert not LINE.match(letter.value.decode())


def test_closed_rows_are_emitted_once_and_final(harness: Harness) -> None:
    """What is emitted at close is the row as the table shows it, once for each closed row."""
    events = [
        ((event.key or b"").decode(), event.value["window"]["start"], event.value["hits"])
        for event in harness.emitted("web-statuses")
    ]
    rows = harness.table("statuses").rows()
    assert sorted(events) == sorted((row.key, row.start, row.values["hits"]) for row in rows if row.closed)
    latest = max(hit.time for hit in hits())
    assert all(row.closed == ((row.end or 0) + GRACE <= latest) for row in rows)


def test_alerts_are_those_of_a_loop_over_hours(harness: Harness) -> None:
    """The alert fires and resolves at the hours at which a plain loop over all hours says so."""
    groups, latest = by_hour(), max(hit.time for hit in hits())
    first = min(start for _, start in groups)
    expected, active, fired, missed = [], None, None, None
    for end in range(first + HOUR, latest - GRACE + 1, HOUR):
        if len(groups.get(("404", end - HOUR), ())) >= 3:
            active, missed = end if active is None else active, None
            if fired is None and end - active >= HOUR:
                fired = end
                expected.append(("firing", fired, None))
        elif fired is None:
            active = None
        else:
            missed = end if missed is None else missed
            if end - missed >= HOUR:
                expected.append(("resolved", fired, end))
                active = fired = missed = None
    events = [event.value for event in harness.emitted("web-alerts")]
    assert [(e["status"], ms(e["startsAt"]), e["endsAt"] and ms(e["endsAt"])) for e in events] == expected
    assert len(expected) > 2
