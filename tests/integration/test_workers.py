"""Two real `faust worker` processes over poisoned input; one is killed midway and one is added. Nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.letters import OFFSET, PARTITION, REASON, TOPIC
from streams.load import load
from streams.plan import Plan, plan
from tables.query import Reader
from tests.integration.scenario import DECLARATION, PARTITIONS, Expected, expected, records
from tests.outside import committed, compacted, create_topic, produce, read, until
from tests.streams.lives import ms
from tests.workers import Worker

COUNT = 9_000
PER_SECOND = 600
SETTINGS = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "4000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
}


class Run:
    """One app on one broker: its workers, its input, and what they leave.

    Args:
        bootstrap: address of the broker.
        app: the app's id, and prefix of its topics.
        folder: for declaration, state and output.
    """

    def __init__(self, bootstrap: str, app: str, folder: Path) -> None:
        """Write the declaration and create the input topic."""
        self.bootstrap, self.app, self.folder = bootstrap, app, folder
        self.topic = f"{app}.requests"
        self.declaration = folder / f"{app}.yaml"
        self.declaration.write_text(DECLARATION.format(app=app))
        self.workers: dict[str, Worker] = {}
        create_topic(bootstrap, self.topic, PARTITIONS)

    def worker(self, name: str) -> Worker:
        """Start a worker; one of the same name goes on with the state that is there."""
        self.workers[name] = Worker(self.declaration, self.bootstrap, self.folder / name, **SETTINGS).start()
        return self.workers[name]

    def produce(self, count: int, seed: int, per_second: int = 0) -> None:
        """Produce part of the input."""
        produce(self.bootstrap, self.topic, records(count, seed), per_second=per_second)

    def committed(self) -> list[int]:
        """Return what the group has committed in each partition of the input."""
        return committed(self.bootstrap, self.app, self.topic, PARTITIONS)

    def ends(self) -> list[int]:
        """Return the end of each partition of the input."""
        log = read(self.bootstrap, self.topic)
        return [max((each.offset + 1 for each in log if each.partition == p), default=0) for p in range(PARTITIONS)]

    def wait_done(self, seconds: float = 90.0) -> None:
        """Wait until all of the input is committed."""
        ends = self.ends()
        until(lambda: self.committed() == ends, lambda: f"{self.committed()} to be {ends}\n{self.said()}", seconds)

    def said(self) -> str:
        """Return the end of what each worker printed."""
        return "\n".join(f"== {name}\n{worker.output[-2500:]}" for name, worker in self.workers.items())

    def kill(self) -> None:
        """End all that still runs."""
        for worker in self.workers.values():
            worker.kill()


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return an app on each of the brokers."""
    bootstrap = request.getfixturevalue(request.param).bootstrap
    each = Run(bootstrap, f"w{request.param}", tmp_path)
    yield each
    each.kill()


@pytest.mark.embedded
@pytest.mark.kafka
def test_a_killed_worker_and_a_new_one_change_nothing(run: Run) -> None:
    """One worker is killed midway, one is added: tables, alerts and dead letters are those of a plain recount."""
    run.worker("a")
    run.worker("b")
    run.workers["a"].wait_ready()
    run.workers["b"].wait_ready()
    feeding = threading.Thread(target=run.produce, args=(COUNT, 7, PER_SECOND))
    feeding.start()
    until(lambda: sum(run.committed()) > COUNT // 5, "a fifth of the input committed")
    run.workers["a"].kill()
    until(lambda: sum(run.committed()) > COUNT // 2, lambda: f"half of the input committed\n{run.said()}")
    run.worker("c").wait_ready()
    feeding.join()
    run.wait_done()
    assert [run.workers[name].stop() for name in "bc"] == [0, 0], run.said()
    compare(run, expected(read(run.bootstrap, run.topic)))


def compare(run: Run, wanted: Expected) -> None:
    """Compare all that the app left behind with a recount."""
    planned = plan(load(run.declaration))
    assert traffic(run, planned) == wanted.traffic
    assert totals(run, planned) == wanted.totals
    assert alerts(run) == wanted.alerts
    assert letters(run) == wanted.letters
    late = {at(record) for record in read(run.bootstrap, f"{run.app}.late")}
    assert (
        late - wanted.letters.keys() == wanted.late
    )  # a record without key can be late in one table, poison in another
    assert len(wanted.alerts) > 20, "the input must make alerts fire and resolve"
    assert len(wanted.late) > 20, "some records must be late"
    assert len(set(wanted.letters.values())) > 8, "all kinds of poison must be among the input"


def traffic(run: Run, planned: Plan) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Return the windowed table as its compacted changelog says."""
    table = planned.tables["traffic"]
    found = {}
    for partition, store in compacted(run.bootstrap, table.changelog).items():
        reader = Reader(table.table, store)
        pages = [reader.window(k, limit=1 << 40) for k in reader.windows()]
        found.update({(partition, row.start or 0, row.key.decode()): row.values for page in pages for row in page.rows})
    return found


def totals(run: Run, planned: Plan) -> dict[str, tuple[int, int]]:
    """Return the running totals as their compacted changelog says."""
    table = planned.tables["totals"]
    stores = compacted(run.bootstrap, table.changelog).values()
    pages = [Reader(table.table, store).latest(limit=1 << 30) for store in stores]
    return {row.key.decode(): (row.values["n"], row.values["total"]) for page in pages for row in page.rows}


def alerts(run: Run) -> set[tuple[str, str, int, int | None]]:
    """Return the alert events without repeats: by fingerprint, startsAt and status, each of them always the same."""
    once: dict[tuple[str, str, str], Any] = {}
    for record in read(run.bootstrap, f"{run.app}-alerts"):
        body = json.loads(record.value)
        assert once.setdefault((body["fingerprint"], body["startsAt"], body["status"]), body) == body
    return {
        (b["labels"]["host"], b["status"], ms(b["startsAt"]), b["endsAt"] and ms(b["endsAt"])) for b in once.values()
    }


def letters(run: Run) -> dict[tuple[int, int], str]:
    """Return (partition, offset) -> reason of the dead letters, which hold the original bytes."""
    values = {
        (record.partition, record.offset): (record.key, record.value) for record in read(run.bootstrap, run.topic)
    }
    found: dict[tuple[int, int], str] = {}
    for record in read(run.bootstrap, f"{run.app}-dead-letters"):
        headers = dict(record.headers)
        assert headers[TOPIC].decode() == run.topic
        assert values[at(record)] == (record.key, record.value)
        assert found.setdefault(at(record), headers[REASON].decode()) == headers[REASON].decode()
    return found


def at(record: Any) -> tuple[int, int]:
    """Return where the record came from that a letter holds."""
    headers = dict(record.headers)
    return int(headers[PARTITION]), int(headers[OFFSET])
