"""Alert timelines over real data against a loop in plain Python; and against what people have labelled."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.backtest import files
from streams.backtest.replay import Replay
from streams.backtest.sources import Files
from streams.load import loads

ROOT = Path(__file__).resolve().parents[3]
CLOUDWATCH = ROOT / "tests" / "data" / "cloudwatch"
LOG = ROOT / "streams" / "data" / "access_log.gz"
LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] ".*?(?<!\\)" (\d{3}) (\d+|-) ".*" ".*"$')
MINUTE = 60_000
Life = tuple[int, int | None, int | None]
"""Since when an alert was pending, when it fired, when it ended."""


def lives(holds: Mapping[int, bool], step: int, hold: int, keep: int, last: int) -> list[Life]:
    """Return the lives of one key's alert by Prometheus' rules, in a loop over all steps.

    Args:
        holds: by window end, whether the row of that window holds.
        step: from one window end to the next, in ms.
        hold: `for`.
        keep: `keep_firing_for`.
        last: the last window end that is judged.
    """
    found: list[Life] = []
    active = fired = missed = None
    for end in range(min(holds), last + 1, step):
        if holds.get(end):
            active, missed = end if active is None else active, None
            fired = end if fired is None and end - active >= hold else fired
        elif active is not None and fired is None:
            found.append((active, None, end))
            active = None
        elif active is not None:
            missed = end if missed is None else missed
            if end - missed >= keep:
                found.append((active, fired, end))
                active = fired = missed = None
    return [*found, (active, fired, None)] if active is not None else found


def replayed(app: str, stream: str, path: Path) -> Replay:
    """Return a replay that has read a file to its end and closed everything."""
    replay = Replay(loads(app))
    Files({stream: [path]}).play(replay, lambda _: None)
    replay.finish()
    return replay


def points(name: str) -> list[tuple[int, float]]:
    """Return (ms, value) of each point of a series."""
    with (CLOUDWATCH / f"{name}.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
    return [(round(at.timestamp()) * 1000, float(row["value"])) for at, row in zip(times, rows, strict=True)]


def labelled(name: str) -> list[tuple[int, int]]:
    """Return the stretches that people have labelled as anomalies, in ms."""
    windows = json.loads((CLOUDWATCH / "anomaly_windows.json").read_text())[f"realAWSCloudwatch/{name}.csv"]
    return [
        (begin, end)
        for begin, end in (
            [round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) for text in each]
            for each in windows
        )
    ]


CLOUD = """
app: cloud
streams:
  points: {{topic: points, time: timestamp, derive: {{machine: "'web-1'"}}, key: machine}}
tables:
  load:
    from: points
    key: machine
    window: {{{window}, grace: {grace}}}
    aggregates: {{points: count(), mean: mean("value"), high: max("value")}}
alerts:
  - {{alert: Unusual, table: load, expr: "{expr}", for: {hold}, keep_firing_for: {keep}}}
"""
CPU, ELB = "ec2_cpu_utilization_825cc2", "elb_request_count_8c0756"
Condition = Callable[[list[float]], bool]
CASES: list[tuple[str, int, int, int, str, Condition, int, int]] = [
    (CPU, 30, 30, 0, "mean < 60", lambda values: math.fsum(values) / len(values) < 60, 60, 0),
    (CPU, 60, 15, 10, "mean < 90 or high > 97", lambda v: math.fsum(v) / len(v) < 90 or max(v) > 97, 30, 30),
    (ELB, 30, 30, 0, "high > 350", lambda values: max(values) > 350, 0, 30),
    (ELB, 15, 5, 0, "points < 3 and mean > 100", lambda v: len(v) < 3 and math.fsum(v) / len(v) > 100, 5, 10),
]


@pytest.mark.parametrize("rows", [100_000, 97])
@pytest.mark.parametrize(("name", "size", "every", "grace", "expr", "holds", "hold", "keep"), CASES)
def test_cloudwatch_timelines_are_those_of_a_loop(  # noqa: PLR0913, PLR0917 - a case is this much
    monkeypatch: pytest.MonkeyPatch, rows: int, name: str, size: int, every: int, grace: int, expr: str,
    holds: Condition, hold: int, keep: int,
) -> None:  # fmt: skip
    """Pending, firing and end of every alert are where a plain loop over all window ends has them."""
    monkeypatch.setattr(files, "ROWS", rows)
    window = f"tumbling: {size}m" if size == every else f"hopping: {size}m, every: {every}m"
    app = CLOUD.format(window=window, grace=f"{grace}m", expr=expr, hold=f"{hold}m", keep=f"{keep}m")
    replay = replayed(app, "points", CLOUDWATCH / f"{name}.csv")
    found, windows, watermark = points(name), defaultdict[int, list[float]](list), 0
    for at, value in found:
        watermark = max(watermark, at)
        first = at // (every * MINUTE) * every * MINUTE
        for start in range(first, at - size * MINUTE, -every * MINUTE):
            if start + (size + grace) * MINUTE > watermark:
                windows[start + size * MINUTE].append(value)
    judged = {end: holds(values) for end, values in windows.items()}
    expected = lives(judged, every * MINUTE, hold * MINUTE, keep * MINUTE, max(windows))
    assert [(each.active_at, each.fired_at, each.ended_at) for each in replay.timeline.sorted()] == expected
    assert replay.records == len(found)
    assert (replay.first, replay.last) == (min(found)[0], max(found)[0])
    assert expected


@pytest.mark.parametrize(
    ("name", "window", "expr"),
    [(CPU, "tumbling: 30m", "mean < 60"), (ELB, "hopping: 30m, every: 5m", "high > 480 and mean > 170")],
)
def test_labelled_anomalies_raise_alerts(name: str, window: str, expr: str) -> None:
    """A threshold alerts in a stretch that people have labelled, and never outside of one."""
    app = CLOUD.format(window=window, grace="0s", expr=expr, hold="0s", keep="0s")
    replay = replayed(app, "points", CLOUDWATCH / f"{name}.csv")
    fired = [each for each in replay.timeline.sorted() if each.fired_at is not None]
    stretches = labelled(name)
    assert fired
    for each in fired:
        assert any(begin <= each.until(replay.last) and (each.fired_at or 0) <= end for begin, end in stretches)


WEB = """
app: web
streams:
  access: {topic: web.access, codec: nginx, time: time, key: client}
tables:
  clients:
    from: access
    key: client
    window: {tumbling: 10m, grace: 1m}
    aggregates: {hits: count(), missing: count(where="status == 404"), sent: sum("bytes")}
alerts:
  - {alert: Busy, table: clients, expr: hits >= 10 and missing / hits < 0.5, for: 10m}
  - {alert: Busy, table: clients, expr: sent > 2000000, labels: {severity: info}}
"""


def test_access_log_timelines_are_those_of_a_loop() -> None:
    """Two rules of one name over 10,000 lines of a web server's log, key by key, as a plain loop has them."""
    replay = replayed(WEB, "access", LOG)
    step = 10 * MINUTE
    cells: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    lines, watermark = gzip.decompress(LOG.read_bytes()).decode().splitlines(), 0
    for match in filter(None, map(LINE.match, lines)):
        at = round(datetime.strptime(match[2], "%d/%b/%Y:%H:%M:%S %z").timestamp()) * 1000
        watermark = max(watermark, at)
        end = at // step * step + step
        if end + MINUTE > watermark:
            cell = cells[match[1]][end]
            sent = 0 if match[4] == "-" else int(match[4])
            cell[:] = [cell[0] + 1, cell[1] + (match[3] == "404"), cell[2] + sent]
    last = max(end for windows in cells.values() for end in windows)
    rules = {"Busy": (lambda c: c[0] >= 10 and c[1] / c[0] < 0.5, step), "Busy#2": (lambda c: c[2] > 2_000_000, 0)}
    expected = sorted(
        (rule, client, life)
        for rule, (holds, hold) in rules.items()
        for client, windows in cells.items()
        for life in lives({end: holds(cell) for end, cell in windows.items()}, step, hold, 0, last)
    )
    found = [(each.rule, each.labels["client"], _life(each)) for each in replay.timeline.episodes]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert sum(fired is not None for _, _, (_, fired, _) in expected) > 5
    assert (replay.records, sum(replay.dead.values())) == (len(lines), 1)


def _life(episode: object) -> Life:
    return episode.active_at, episode.fired_at, episode.ended_at  # type: ignore[attr-defined] # an Episode
