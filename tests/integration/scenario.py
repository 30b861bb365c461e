"""Input with poison in it, and what tables, alerts and dead letters must say of it, by plain Python."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from streams import reasons
from tests.outside import Sent
from tests.streams.oracle import Event, Oracle, Shape, aggregates

PARTITIONS = 4
HOSTS = 12
BASE = 1_700_000_000_000
SHAPE = Shape(size=30_000, every=10_000, grace=5_000, hold=20_000, least=9)
DECLARATION = """
app: {app}
streams:
  requests: {{topic: {app}.requests, codec: json, time: ts, key: host, idle: never}}
tables:
  traffic:
    from: requests
    key: host
    window: {{hopping: 30s, every: 10s, grace: 5s}}
    late: {app}.late
    aggregates:
      n: count()
      total: sum("bytes")
      low: min("bytes")
      high: max("bytes")
      final: last("bytes")
  totals:
    from: requests
    key: host
    aggregates:
      n: count()
      total: sum("bytes")
alerts:
  - {{alert: Busy, table: traffic, expr: n >= 9, for: 20s, labels: {{severity: page}}}}
"""
POISON: dict[bytes | None, str] = {
    None: reasons.EMPTY_VALUE,
    b"{not json": reasons.INVALID_JSON,
    b'{"host":"\xff\xfe","ts":1700000000000,"bytes":1}': reasons.INVALID_UTF8,
    b"[1,2]": reasons.NOT_AN_OBJECT,
    b'{"host":"h0","ts":1700000000000,"bytes":NaN}': reasons.NOT_FINITE,
    b'{"host":"h0","ts":1700000000000,"bytes":"many"}': reasons.WRONG_TYPE,
    b'{"ts":1700000000000,"bytes":1}': reasons.NULL_KEY,
    b'{"host":"h0","bytes":1}': reasons.BAD_TIME,
    b'{"host":"h0","ts":-5,"bytes":1}': reasons.BAD_TIME,
    b'{"host":"h0","ts":4070908800000,"bytes":1}': reasons.TIME_TOO_FAR_AHEAD,
    b'{"host":"h0","ts":1700000000000,"bytes":123456789012345678901234567890}': reasons.NUMBER_OUT_OF_RANGE,
}
"""Value -> the reason code of its dead letter."""


def records(count: int, seed: int = 7) -> Iterator[Sent]:
    """Yield records of `HOSTS` hosts: time moves on in jumps, some come late, one in forty is poison."""
    random = Random(seed)  # noqa: S311 - test data, no secret
    clock = [BASE + number * 777 for number in range(PARTITIONS)]
    for _ in range(count):
        number = random.randrange(HOSTS)
        partition = number % PARTITIONS
        key = f"h{number}".encode()
        if random.random() < 0.025:
            yield Sent(partition, key, random.choice(list(POISON)))
            continue
        clock[partition] += random.choice((0, 100, 400, 900, 2500))
        ts = clock[partition] - random.choice((0, 0, 0, 1_000, 4_000, 12_000, 60_000))
        value = {"host": key.decode(), "ts": ts, "bytes": random.randrange(-50, 1000)}
        yield Sent(partition, key, json.dumps(value).encode())


@dataclass
class Expected:
    """What the whole input, as it lies in its topic, must come to.

    Args:
        traffic: (partition, window start, host) -> row.
        totals: host -> (count, sum).
        alerts: (host, status, startsAt, endsAt).
        letters: (partition, offset) -> reason.
        late: (partition, offset) of records late for all their windows.
        closed: (window start, host) -> row, as it was when its window closed.
    """

    traffic: dict[tuple[int, int, str], dict[str, Any]]
    totals: dict[str, tuple[int, int]]
    alerts: set[tuple[str, str, int, int | None]]
    letters: dict[tuple[int, int], str]
    late: set[tuple[int, int]]
    closed: dict[tuple[int, str], dict[str, Any]]


def expected(log: Iterable[Any], shape: Shape = SHAPE) -> Expected:
    """Count the input once more.

    Args:
        log: every record of the input topic, as an independent client read it.
        shape: of the windows and the alert.
    """
    events: dict[int, list[Event]] = defaultdict(list)
    count: Counter[str] = Counter()
    total: Counter[str] = Counter()
    letters = {}
    for record in log:
        if record.value in POISON:
            letters[record.partition, record.offset] = POISON[record.value]
            continue
        value = json.loads(record.value)
        events[record.partition].append(Event(record.offset, value["host"], value["ts"], value["bytes"]))
        count[value["host"]] += 1
        total[value["host"]] += value["bytes"]
    oracles = {partition: Oracle(shape).read(each) for partition, each in events.items()}
    return Expected(
        {(p, *at): aggregates(rows) for p, each in oracles.items() for at, rows in each.rows.items()},
        {host: (count[host], total[host]) for host in count},
        {alert for each in oracles.values() for alert in each.alerts},
        letters,
        {(partition, offset) for partition, each in oracles.items() for offset in each.late},
        {at: row for each in oracles.values() for at, row in each.closed.items()},
    )
