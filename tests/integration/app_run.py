"""One app on one broker, for integration tests: its workers, its input, and what they leave, held against a recount."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.letters import OFFSET, PARTITION, REASON, TOPIC
from streams.load import load
from streams.plan import Plan, TablePlan, plan
from tables.query import Reader
from tables.store import MemoryStore
from tests.integration.scenario import DECLARATION, PARTITIONS, Expected, expected, records
from tests.outside import committed, compacted, create_topic, produce, read, until
from tests.streams.lives import ms
from tests.workers import Worker

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
        topic: whether to create the input topic.
        text: of the declaration; `{app}` stands for the app's id.
        more: further environment variables of its workers.
    """

    def __init__(
        self, bootstrap: str, app: str, folder: Path, *, topic: bool = True, text: str = DECLARATION, **more: str
    ) -> None:
        """Write the declaration and, unless told otherwise, create the input topic."""
        self.environ = SETTINGS | more
        self.bootstrap, self.app, self.folder = bootstrap, app, folder
        self.topic = f"{app}.requests"
        self.declaration = folder / f"{app}.yaml"
        self.declaration.write_text(text.format(app=app))
        self.workers: dict[str, Worker] = {}
        if topic:
            self.create_topic()

    def create_topic(self) -> None:
        """Create the input topic."""
        create_topic(self.bootstrap, self.topic, PARTITIONS)

    def worker(self, name: str) -> Worker:
        """Start a worker; one of the same name goes on with the state that is there."""
        self.workers[name] = Worker(self.declaration, self.bootstrap, self.folder / name, **self.environ).start()
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

    def expected(self) -> Expected:
        """Recount the input as it lies in its topic."""
        return expected(read(self.bootstrap, self.topic))

    def compare(self) -> Expected:
        """Compare all that the app left behind with a recount of the input as it lies in its topic."""
        planned, wanted = plan(load(self.declaration)), self.expected()
        assert traffic(self, planned) == wanted.traffic
        assert totals(self, planned) == wanted.totals
        assert alerts(self) == wanted.alerts
        assert letters(self) == wanted.letters
        late = {at(record) for record in read(self.bootstrap, f"{self.app}.late")}
        assert late - wanted.letters.keys() == wanted.late  # without key it can be late here, and poison there
        return wanted


def traffic(run: Run, planned: Plan, name: str = "traffic") -> dict[tuple[int, int, str], dict[str, Any]]:
    """Return a windowed table as its compacted changelog says."""
    return windowed(planned.tables[name], compacted(run.bootstrap, planned.tables[name].changelog))


def windowed(table: TablePlan, stores: Mapping[int, MemoryStore]) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Return (partition, window start, key) -> row of a table's stores."""
    found = {}
    for partition, store in stores.items():
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
