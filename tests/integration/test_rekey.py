"""A table keyed otherwise than its stream, on real brokers: workers die and come, and nothing is lost or repeated."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.letters import OFFSET, PARTITION, REASON
from streams.load import load
from streams.plan import Plan, plan
from tables.query import Reader
from tests.integration.app_run import Run
from tests.outside import Sent, committed, compacted, produce, read, until
from tests.streams.lives import ms
from tests.streams.oracle import Event, Oracle, Shape, aggregates
from tests.streams.rekey.recount import recount

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]

PARTITIONS = 4
COUNT = 6_000
PER_SECOND = 500
BASE = 1_700_000_000_000
SHAPE = Shape(size=30_000, every=10_000, grace=5_000, hold=20_000, least=9)
DECLARATION = """
app: {app}
streams:
  requests: {{topic: {app}.requests, time: ts, key: host, idle: never}}
tables:
  hosts: {{from: requests, key: host, aggregates: {{n: count()}}}}
  users:
    from: requests
    key: user
    where: bytes >= 0
    window: {{hopping: 30s, every: 10s, grace: 5s}}
    late: {app}.late
    aggregates: {{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes"), final: last("bytes")}}
  sizes:
    from: requests
    key: double
    derive: {{double: bytes * 2}}
    aggregates: {{n: count(), users: distinct("user")}}
alerts:
  - {{alert: Busy, table: users, expr: n >= 9, for: 20s}}
"""


class Rekeyed(Run):
    """The app above on one broker."""

    def __init__(self, bootstrap: str, app: str, folder: Path) -> None:
        """Write the declaration, and create the input topic."""
        super().__init__(bootstrap, app, folder)
        self.declaration.write_text(DECLARATION.format(app=app))

    def produce(self, count: int, seed: int, per_second: int = 0) -> None:
        """Produce part of the input."""
        produce(self.bootstrap, self.topic, records(count, seed), per_second=per_second)

    def received(self) -> bool:
        """Return whether all blocks were folded, too."""
        for topic in (f"{self.app}-users-repartition", f"{self.app}-sizes-repartition"):
            log = read(self.bootstrap, topic)
            ends = [max((each.offset + 1 for each in log if each.partition == p), default=0) for p in range(PARTITIONS)]
            if committed(self.bootstrap, self.app, topic, PARTITIONS) != ends:
                return False
        return True


def records(count: int, seed: int) -> Iterator[Sent]:
    """Yield records of 12 hosts and 9 users: time moves on in jumps, some come late, one in forty has no user."""
    random = Random(seed)  # noqa: S311 - test data, no secret
    clock = [BASE + number * 777 for number in range(PARTITIONS)]
    for _ in range(count):
        number = random.randrange(12)
        partition = number % PARTITIONS
        clock[partition] += random.choice((0, 100, 400, 900, 2500))
        ts = clock[partition] - random.choice((0, 0, 0, 1_000, 4_000, 12_000, 60_000))
        user = None if random.random() < 0.025 else f"u{random.randrange(9)}"
        value = {"host": f"h{number}", "user": user, "ts": ts, "bytes": random.randrange(-50, 1000)}
        yield Sent(partition, b"h%d" % number, json.dumps(value).encode())


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rekeyed]:
    """Return an app on each of the brokers."""
    bootstrap = request.getfixturevalue(request.param).bootstrap
    test = request.node.originalname
    each = Rekeyed(bootstrap, f"{'r' if 'killed' in test else 's'}{request.param}", tmp_path)
    yield each
    each.kill()


def test_a_killed_worker_and_a_new_one_change_nothing(run: Rekeyed) -> None:
    """One worker is killed midway, one is added: rows, alerts, late rows and letters are those of a recount."""
    run.worker("a")
    run.worker("b")
    run.workers["a"].wait_ready()
    run.workers["b"].wait_ready()
    feeding = threading.Thread(target=run.produce, args=(COUNT, 7, PER_SECOND))
    feeding.start()
    until(lambda: sum(run.committed()) > COUNT // 5, lambda: f"a fifth of the input committed\n{run.said()}")
    run.workers["a"].kill()
    until(lambda: sum(run.committed()) > COUNT // 2, lambda: f"half of the input committed\n{run.said()}")
    run.worker("c").wait_ready()
    feeding.join()
    run.wait_done()
    until(run.received, lambda: f"all blocks folded\n{run.said()}")
    assert [run.workers[name].stop() for name in "bc"] == [0, 0], run.said()
    compare(run)


def test_partitions_without_records_do_not_hold_windows_for_ever(run: Rekeyed) -> None:
    """Two of four partitions have records, then all are silent: each says so, and the clock closes what is open.

    A worker that starts when all is silent already ends at the same rows.
    """
    emitting = DECLARATION.replace("idle: never", "idle: 2s").replace("    late:", "    emit: close\n    late:")
    emitting = emitting.replace("hopping: 30s, every: 10s, grace: 5s", "tumbling: 4s, grace: 0s")
    run.declaration.write_text(emitting.format(app=run.app))
    value = {"host": "h0", "user": "u1", "bytes": 1}
    times = [BASE, BASE + 1_000, BASE + 12_000]
    run.worker("a").wait_ready()
    for partition in (0, 1):
        rows = [Sent(partition, b"h0", json.dumps({**value, "ts": ts}).encode()) for ts in times]
        produce(run.bootstrap, run.topic, rows)
    until(lambda: len(emitted(run)) >= 1, lambda: f"the window that the rows passed\n{run.said()}", 60)
    run.workers["a"].kill()
    run.worker("b").wait_ready()
    until(lambda: len(emitted(run)) == 2, lambda: f"all windows\n{run.said()}", 120)
    assert run.workers["b"].stop() == 0
    assert emitted(run) == {BASE: 4, BASE + 12_000: 2}


def emitted(run: Rekeyed) -> dict[int, int]:
    """Return the count of each emitted row by the start of its window; repeats must be equal."""
    found: dict[int, int] = {}
    for record in read(run.bootstrap, f"{run.app}-users"):
        body = json.loads(record.value)
        start = int(dict(record.headers)["start"])
        assert found.setdefault(start, body["n"]) == body["n"]
    return found


def compare(run: Rekeyed) -> None:
    """Compare all that the app left behind with a recount of the input as it lies in its topic."""
    planned, log = plan(load(run.declaration)), read(run.bootstrap, run.topic)
    oracles = recounts(log)
    wanted = {(p, *at): aggregates(rows) for p, each in enumerate(oracles) for at, rows in each.rows.items()}
    assert rows_of(run, planned, "users") == wanted
    alerts = {alert for each in oracles for alert in each.alerts}
    assert alerts_of(run) == alerts
    assert len(alerts) > 20, "the input must make alerts fire and resolve"
    late = {(offset % PARTITIONS, offset // PARTITIONS) for each in oracles for offset in each.late}
    assert {where(record) for record in read(run.bootstrap, f"{run.app}.late")} == late
    assert len(late) > 20, "some records must be late"
    assert sizes_of(run, planned) == recounted_sizes(log)
    nobody = {(each.partition, each.offset) for each in log if json.loads(each.value)["user"] is None}
    refused = {where(record) for record in read(run.bootstrap, f"{run.app}-dead-letters")}
    assert refused == {at for at in nobody if bytes_at(log, at) >= 0}


def recounts(log: list[Any]) -> list[Oracle]:
    """Return what each partition of the table of users must be."""
    logs: list[list[tuple[Event, bool]]] = [[] for _ in range(PARTITIONS)]
    for record in log:
        value = json.loads(record.value)
        event = Event(record.offset, value["user"] or "", value["ts"], value["bytes"])
        logs[record.partition].append((event, value["bytes"] >= 0 and value["user"] is not None))
    return [recount(SHAPE, logs, partition) for partition in range(PARTITIONS)]


def bytes_at(log: list[Any], at: tuple[int, int]) -> int:
    """Return the bytes that one record tells of."""
    return next(int(json.loads(each.value)["bytes"]) for each in log if (each.partition, each.offset) == at)


def rows_of(run: Run, planned: Plan, name: str) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Return a windowed table as its compacted changelog says."""
    table = planned.tables[name]
    found = {}
    for partition, store in compacted(run.bootstrap, table.changelog).items():
        reader = Reader(table.table, store)
        pages = [reader.window(k, limit=1 << 40) for k in reader.windows()]
        found.update({(partition, row.start or 0, row.key.decode()): row.values for page in pages for row in page.rows})
    return found


def sizes_of(run: Run, planned: Plan) -> dict[str, int]:
    """Return the counts by twice the size as their compacted changelog says."""
    table = planned.tables["sizes"]
    stores = compacted(run.bootstrap, table.changelog).values()
    pages = [Reader(table.table, store).latest(limit=1 << 30) for store in stores]
    return {row.key.decode(): row.values["n"] for page in pages for row in page.rows}


def recounted_sizes(log: list[Any]) -> dict[str, int]:
    """Return the counts by twice the size of a recount."""
    found: dict[str, int] = defaultdict(int)
    for record in log:
        found[str(2 * json.loads(record.value)["bytes"])] += 1
    return found


def alerts_of(run: Run) -> set[tuple[str, str, int, int | None]]:
    """Return the alert events without repeats, which must be equal."""
    once: dict[tuple[str, str, str], Any] = {}
    for record in read(run.bootstrap, f"{run.app}-alerts"):
        body = json.loads(record.value)
        assert once.setdefault((body["fingerprint"], body["startsAt"], body["status"]), body) == body
    return {
        (b["labels"]["user"], b["status"], ms(b["startsAt"]), b["endsAt"] and ms(b["endsAt"])) for b in once.values()
    }


def where(record: Any) -> tuple[int, int]:
    """Return where the record came from that a letter holds."""
    headers = dict(record.headers)
    assert headers[REASON] in (b"late", b"null_key")
    return int(headers[PARTITION]), int(headers[OFFSET])
