"""Real counters: the status pages of nginx.org, as rates and as the share of errors, against plain Python."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streams.load import loads
from streams.testing import Harness
from tables import increase, rate
from tests.tables.bench import Event
from tests.tables.test_laws import told

DATA = Path(__file__).resolve().parent.parent / "data" / "nginx_plus" / "hg.jsonl.gz"
SIZE = 300_000
APP = """
app: nginx
streams:
  pages: {topic: nginx.status, time: timestamp, key: address}
tables:
  traffic:
    from: pages
    key: address
    window: {hopping: 5m, every: 1m}
    aggregates: {per_second: rate("requests"), served: increase("requests"), failed: increase("errors")}
alerts:
  - {alert: ManyErrors, table: traffic, expr: failed / served > 0.005}
"""


COLUMNS = {"per_second": rate("requests", extrapolate=True), "served": increase("requests", extrapolate=True)}


def pages() -> list[dict[str, Any]]:
    """Return the status pages, in the order of time."""
    return [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]


def risen(values: list[int]) -> float:
    """Return how much a counter rose over its samples."""
    return float(sum(after - before if after >= before else after for before, after in pairwise(values)))


def wanted(start: int, rows: list[dict[str, Any]]) -> dict[str, float] | None:
    """Return the columns of the window that begins at `start`; None if it has fewer than two pages."""
    seen = [row for row in rows if start <= row["timestamp"] < start + SIZE]
    if len(seen) < 2:
        return None
    served = risen([row["requests"] for row in seen])
    seconds = (seen[-1]["timestamp"] - seen[0]["timestamp"]) / 1000
    return {"per_second": served / seconds, "served": served, "failed": risen([row["errors"] for row in seen])}


@pytest.mark.parametrize("restart", [None, 250])
def test_rates_of_real_counters(restart: int | None) -> None:
    """Rule: rate and increase are those of plain Python in every window, and alerts follow, also over a restart."""
    rows = pages()
    if restart is not None:
        # The server begins again, so all that it counts does.
        base = rows[restart - 1]
        rows[restart:] = [
            {**row, "requests": row["requests"] - base["requests"], "errors": row["errors"] - base["errors"]}
            for row in rows[restart:]
        ]
    harness = Harness(loads(APP))
    late_by_one = [row for pair in zip(rows[1::2], rows[::2], strict=True) for row in pair]
    for at in range(0, len(rows), 90):
        harness.feed_many("nginx.status", late_by_one[at : at + 90])
    found = {row.start: row.values for row in harness.table("traffic").rows()}
    whole = {start: want for start in found if start is not None and (want := wanted(start, rows))}
    assert len(whole) > 40
    assert {start: found[start] for start in whole} == {start: pytest.approx(want) for start, want in whole.items()}
    closed = {start: want for start, want in whole.items() if start + SIZE + 10_000 <= rows[-1]["timestamp"]}
    holding = [start + SIZE for start in sorted(closed) if closed[start]["failed"] > 0.005 * closed[start]["served"]]
    assert holding
    assert min(alert.active_at for alert in harness.alerts()) == holding[0]


@pytest.mark.parametrize(
    "window", ["{tumbling: 5m}", "{hopping: 5m, every: 1m}", "{calendar: hour, zone: Europe/Berlin}", "{session: 10s}"]
)
def test_extrapolated_rates_of_real_counters(window: str) -> None:
    """Rule: what is kept and what goes out when a window closes are both extrapolated to that window's own ends."""
    columns = ", ".join(f"{name}: '{each.describe()}'" for name, each in COLUMNS.items())
    app, _, _ = APP.partition("    aggregates:")
    app = app.replace("{hopping: 5m, every: 1m}", f"{window}\n    emit: close") + f"    aggregates: {{{columns}}}\n"
    harness, rows = Harness(loads(app)), pages()
    for at in range(0, len(rows), 90):
        harness.feed_many("nginx.status", rows[at : at + 90])
    harness.advance("2h")
    kept = {(row.start or 0, row.end or 0): row.values for row in harness.table("traffic").rows()}
    out = [each.value or {} for each in harness.emitted("nginx-traffic")]
    assert out
    for values in out:
        at = (values["window"]["start"], values["window"]["end"])
        seen = [Event(0, row["requests"], row["timestamp"]) for row in rows if at[0] <= row["timestamp"] < at[1]]
        want = {name: told(each, seen, at) for name, each in COLUMNS.items()}
        assert want == {name: pytest.approx(values[name]) for name in COLUMNS} == kept[at]
