"""Two real CloudWatch series through the Harness, against recounts in plain Python."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.load import loads
from streams.testing import Harness
from tests.streams.lives import ms

DATA = Path(__file__).resolve().parents[1] / "data" / "cloudwatch"
SERIES = ["ec2_cpu_utilization_825cc2", "elb_request_count_8c0756"]
MINUTE = 60_000
SIZE, EVERY, HOLD = 60 * MINUTE, 15 * MINUTE, 30 * MINUTE
APP = """
app: cloud
streams:
  points: {topic: points, time: at, key: series}
tables:
  hours:
    from: points
    key: series
    window: {hopping: 1h, every: 15m, grace: 0s}
    keep: 52w
    emit: close
    aggregates: {points: count(), mean: mean("value"), low: min("value"), high: max("value"), final: last("value")}
  totals:
    from: points
    key: series
    aggregates:
      points: count()
      total: sum("value")
      p50: quantile(0.5, "value")
alerts:
  - alert: High
    table: hours
    expr: mean > 95 and (mean > 120 or startswith(series, 'ec2'))
    for: 30m
"""


def points(series: str) -> list[tuple[int, float]]:
    """Return (ms, value) of each point in the order of the file."""
    with (DATA / f"{series}.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
    return [(round(at.timestamp()) * 1000, float(row["value"])) for at, row in zip(times, rows, strict=True)]


@pytest.fixture(scope="module", params=SERIES)
def series(request: pytest.FixtureRequest) -> str:
    """Return the name of a series."""
    return str(request.param)


@pytest.fixture(scope="module")
def harness(series: str) -> Harness:
    """Return a Harness that has read the series in batches of 100 points."""
    made, found = Harness(loads(APP)), points(series)
    for start in range(0, len(found), 100):
        batch = found[start : start + 100]
        made.feed_many("points", [json.dumps({"series": series, "at": at, "value": v}).encode() for at, v in batch])
    return made


def windows(series: str) -> dict[int, list[float]]:
    """Return window start -> values in order of time, without the points that come too late for a window."""
    found: dict[int, list[tuple[int, float]]] = {}
    watermark = 0
    for at, value in points(series):
        watermark = max(watermark, at)
        for start in range(at - at % EVERY, at - SIZE, -EVERY):
            if start + SIZE > watermark:
                found.setdefault(start, []).append((at, value))
    return {start: [value for _, value in sorted(rows, key=lambda row: row[0])] for start, rows in found.items()}


def test_hopping_rows_are_a_recount(harness: Harness, series: str) -> None:
    """Each hour that begins at a quarter is that of the recount, merged from its four panes."""
    rows = {row.start: row.values for row in harness.table("hours").rows(series)}
    assert rows == {
        start: {
            "points": len(values),
            "mean": pytest.approx(math.fsum(values) / len(values), rel=1e-12),
            "low": min(values),
            "high": max(values),
            "final": values[-1],
        }
        for start, values in windows(series).items()
    }


def test_running_totals_are_a_recount(harness: Harness, series: str) -> None:
    """The table without window counts every point; its sum is exact to 1e-12, its median to 1 %."""
    values = sorted(value for _, value in points(series))
    (row,) = harness.table("totals").rows()
    assert (row.key, row.start, row.closed, row.values["points"]) == (series, None, False, len(values))
    assert abs(row.values["total"] - math.fsum(values)) <= 1e-12 * math.fsum(map(abs, values))
    middle = values[(len(values) - 1) // 2], values[len(values) // 2]
    assert any(abs(row.values["p50"] - value) <= 0.0101 * abs(value) for value in middle)


def test_alerts_are_those_of_a_loop_over_window_ends(harness: Harness, series: str) -> None:
    """Every change to firing and resolved is where a plain loop over all window ends has it."""
    found, latest = windows(series), max(at for at, _ in points(series))
    limit = 95 if series == SERIES[0] else 120
    expected, active, fired = [], None, None
    for end in range(min(found) + SIZE, latest + 1, EVERY):
        values = found.get(end - SIZE)
        if values and math.fsum(values) / len(values) > limit:
            active = end if active is None else active
            if fired is None and end - active >= HOLD:
                fired = end
                expected.append(("firing", fired, None))
        else:
            if fired is not None:
                expected.append(("resolved", fired, end))
            active = fired = None
    events = [event.value for event in harness.emitted("cloud-alerts")]
    assert [(e["status"], ms(e["startsAt"]), e["endsAt"] and ms(e["endsAt"])) for e in events] == expected
    assert len(expected) > 2
