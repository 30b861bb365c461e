"""Sessions, sliding and count windows on Apache Kafka, keyed and re-keyed: a worker is killed, each row counts once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.load import load
from streams.plan import Plan, plan
from streams.testing.results import TableView
from tables.reading import reader
from tests.integration.app_run import Run, alerts, compacted
from tests.outside import Sent, committed, create_topic, produce, read, until
from tests.streams.oracle import Event
from tests.streams.own_oracle import FAR, Rule, Sessions
from tests.streams.test_counted import Counted, Row, told
from tests.streams.test_sliding import Sliding

pytestmark = [pytest.mark.kafka]

PARTITIONS = 2
COUNT = 2_500
BASE = 1_700_000_000_000
GAP = 4_000
DECLARATION = """
app: {app}
streams:
  clicks: {{topic: {app}.clicks, time: ts, key: host, idle: never}}
tables:
  visits:
    from: clicks
    key: host
    window: {{session: 4s, grace: 1s}}
    keep: 4w
    emit: close
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
  recent:
    from: clicks
    key: host
    window: {{sliding: 10s, grace: 1s}}
    keep: 4w
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
  users:
    from: clicks
    key: user
    window: {{session: 4s, grace: 30s}}
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v")}}
  sevens:
    from: clicks
    key: host
    window: {{count: 7}}
    keep: 4w
    emit: close
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
  turns:
    from: clicks
    key: user
    window: {{count: 7}}
    keep: 4w
    aggregates: {{n: count(), total: sum("v")}}
alerts:
  - {{alert: Many, table: visits, expr: n >= 5, for: 20s, keep_firing_for: 10s}}
"""
SEVEN = 7
Rows = dict[tuple[int, int, str], dict[str, Any]]


def made(seed: int) -> Iterator[Sent]:
    """Yield clicks: hosts and users are busy and silent by turns, some clicks come late."""
    random = Random(seed)  # noqa: S311 - test data, no secret
    clock = [BASE] * PARTITIONS
    for _ in range(COUNT):
        partition = random.randrange(PARTITIONS)
        clock[partition] += random.choice((0, 50, 400, 900))
        ts = clock[partition] - random.choice((0, 0, 0, 700, 3_000, 7_000))
        host = f"h{partition}{random.randrange(8)}"
        value = {"host": host, "user": f"u{random.randrange(12)}", "ts": ts, "v": random.randrange(-50, 1000)}
        yield Sent(partition, host.encode(), json.dumps(value).encode())


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return an app on Apache Kafka."""
    each = Run(request.getfixturevalue("kafka").bootstrap, "visited", tmp_path, topic=False)
    each.declaration.write_text(DECLARATION.format(app=each.app))
    create_topic(each.bootstrap, f"{each.app}.clicks", PARTITIONS)
    yield each
    each.kill()


def test_a_killed_worker_and_a_new_one_change_no_session(run: Run) -> None:
    """Sessions, their final rows and their alerts are those of the oracle, after a SIGKILL and a newcomer."""
    topic = f"{run.app}.clicks"
    for name in "ab":
        run.worker(name)
    for name in "ab":
        run.workers[name].wait_ready()
    feeding = threading.Thread(target=produce, args=(run.bootstrap, topic, made(3)), kwargs={"per_second": 500})
    feeding.start()
    until(lambda: sum(committed(run.bootstrap, run.app, topic, PARTITIONS)) > COUNT // 4, run.said)
    run.workers["a"].kill()
    run.worker("c")
    feeding.join()
    hops = [f"{run.app}-{name}-repartition" for name in ("users", "turns")]
    until(lambda: done(run, topic) and all(done(run, hop) for hop in hops), run.said, 90)
    assert [run.workers[name].stop() for name in "bc"] == [0, 0], run.said()
    planned, oracles = plan(load(run.declaration)), [oracle(run, topic, number) for number in range(PARTITIONS)]
    assert rows(run, planned, "visits") == {
        (number, *at): row for number, each in enumerate(oracles) for at, row in each.rows.items()
    }
    assert emitted(run) == {at: row for each in oracles for at, row in each.closed.items()}
    assert alerts(run) == {alert for each in oracles for alert in each.alerts}
    assert min(len(each.late) for each in oracles) > 5
    assert rows(run, planned, "recent") == slid(run, topic)
    assert {at[1:]: row for at, row in rows(run, planned, "users").items()} == users(run, topic)
    check_counted(run, planned, topic)


def check_counted(run: Run, planned: Plan, topic: str) -> None:
    """Compare the count windows with the records in their order; behind the re-key each has its rows, none twice."""
    oracles = [Counted(SEVEN, Rule(0)).read(events_of(run, topic, number)) for number in range(PARTITIONS)]
    assert listed(run, planned, "sevens") == sorted((row for each in oracles for row in each.rows), key=str)
    assert sorted(finals(run), key=str) == sorted((row for each in oracles for row in each.closed), key=str)
    values = [json.loads(each.value) for each in read(run.bootstrap, topic)]
    for user in {value["user"] for value in values}:
        mine = [value["v"] for value in values if value["user"] == user]
        found = [each[-1] for each in listed(run, planned, "turns") if each[0] == user]
        full, rest = divmod(len(mine), SEVEN)
        assert sorted((each["n"] for each in found), reverse=True) == [SEVEN] * full + [rest] * (rest > 0)
        assert sum(each["total"] for each in found) == sum(mine)


def listed(run: Run, planned: Plan, name: str) -> list[Row]:
    """Return key, start, end and columns of each row, as the compacted changelog says."""
    table = planned.tables[name]
    stores = compacted(run.bootstrap, table.changelog).values()
    found = TableView(table.table, [reader(table.table, store) for store in stores]).rows()
    return sorted(((str(each.key), each.start or 0, each.end or 0, each.values) for each in found), key=str)


def finals(run: Run) -> list[Row]:
    """Return the final rows of the count windows that were sent, without repeats, which must be equal."""
    once: dict[bytes, tuple[str, bytes]] = {}
    for record in read(run.bootstrap, f"{run.app}-sevens"):
        number = dict(record.headers)["number"]
        sent = (record.key or b"").decode(), record.value or b""
        assert once.setdefault(number + b" " + sent[0].encode(), sent) == sent
    return [told(key, json.loads(value)) for key, value in once.values()]


def done(run: Run, topic: str) -> bool:
    """Return whether all of a topic is committed."""
    log = read(run.bootstrap, topic)
    ends = [max((each.offset + 1 for each in log if each.partition == p), default=0) for p in range(PARTITIONS)]
    return committed(run.bootstrap, run.app, topic, PARTITIONS) == ends


def oracle(run: Run, topic: str, partition: int) -> Sessions:
    """Return what one partition of the keyed table must be."""
    return Sessions(GAP, Rule(1_000, 20_000, 10_000, FAR, least=5)).read(events_of(run, topic, partition))


def events_of(run: Run, topic: str, partition: int) -> list[Event]:
    """Return the records of a partition."""
    log = [(each.offset, json.loads(each.value)) for each in read(run.bootstrap, topic) if each.partition == partition]
    return [Event(offset, value["host"], value["ts"], value["v"]) for offset, value in log]


def slid(run: Run, topic: str) -> Rows:
    """Return what the table of sliding windows must be."""
    return {
        (number, *at): row
        for number in range(PARTITIONS)
        for at, row in Sliding(Rule(1)).read(events_of(run, topic, number), closing=False).windows().items()
    }


def users(run: Run, topic: str) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the sessions of the re-keyed table, none of whose rows is late: rows in order, cut at each silence."""
    values = [json.loads(each.value) for each in read(run.bootstrap, topic)]
    sessions: dict[str, list[list[dict[str, Any]]]] = {}
    for value in sorted(values, key=lambda each: each["ts"]):
        mine = sessions.setdefault(value["user"], [])
        if not mine or value["ts"] - mine[-1][-1]["ts"] > GAP:
            mine.append([])
        mine[-1].append(value)
    return {(each[0]["ts"], user): row([value["v"] for value in each]) for user, of in sessions.items() for each in of}


def row(values: list[int]) -> dict[str, Any]:
    """Return the row of some values."""
    return {"n": len(values), "total": sum(values), "low": min(values), "high": max(values)}


def rows(run: Run, planned: Plan, name: str) -> Rows:
    """Return (partition, start, key) -> row, as the compacted changelog says."""
    table = planned.tables[name]
    views = {
        partition: TableView(table.table, [reader(table.table, store)])
        for partition, store in compacted(run.bootstrap, table.changelog).items()
    }
    return {
        (partition, each.start or 0, str(each.key)): each.values
        for partition, view in views.items()
        for each in view.rows()
    }


def emitted(run: Run) -> dict[tuple[int, str], Mapping[str, Any]]:
    """Return the final rows that were sent, without repeats, which must be equal."""
    once: dict[tuple[int, str], bytes] = {}
    for record in read(run.bootstrap, f"{run.app}-visits"):
        at = (int(dict(record.headers)["start"]), (record.key or b"").decode())
        assert once.setdefault(at, record.value or b"") == record.value
    bodies = {at: json.loads(value) for at, value in once.items()}
    return {at: {name: body[name] for name in ("n", "total", "low", "high", "final")} for at, body in bodies.items()}
