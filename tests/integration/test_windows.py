"""A table of each kind of windows on Apache Kafka, two workers, one killed midway: kept and emitted rows are exact."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.load import load
from streams.plan import Plan, plan
from streams.testing.results import TableView
from tables import windows
from tables.durations import render
from tables.reading import reader
from tables.windows import Window
from tables.windows.counted import Counted
from tests.brokers import KafkaCluster
from tests.integration.app_run import Run
from tests.integration.scenario import PARTITIONS
from tests.outside import Sent, compacted, produce, read, until
from tests.streams.test_matrix import agrees
from tests.streams.window_rows import ROWS, At, Rows, Seen, listed, numbered
from tests.tables.test_laws import PARTS

pytestmark = pytest.mark.kafka

COUNT, PER_SECOND = 3_000, 400
BASE = 1_700_000_000_000
COLUMNS = {
    "n": "count()",
    "total": 'sum("bytes")',
    "high": 'max("bytes")',
    "final": 'last("bytes")',
    "half": 'quantile(0.5, "bytes")',
    "risen": 'increase("bytes")',
    "kinds": 'distinct("bytes")',
    "most": 'top_k(3, "bytes")',
}
WINDOWS = {name: kind.examples()[0] for name, kind in windows.registry().items()}


def declaration(app: str) -> str:
    """Return a declaration with a table of each kind of windows; every other one emits gathered updates."""
    lines = [f"app: {app}", "streams:", f"  requests: {{topic: {app}.requests, time: ts, key: host, idle: never}}"]
    lines.append("tables:")
    columns = ", ".join(f"{name}: '{call}'" for name, call in COLUMNS.items())
    for number, (name, window) in enumerate(WINDOWS.items()):
        emit = "close" if number % 2 == 0 else "{update: 10s}"
        options = ((option, getattr(window, option.field)) for option in window.options)
        said = ", ".join(
            f"{option.name}: {render(value) if option.takes == 'duration' else value}" for option, value in options
        )
        lines.append(
            f"  of_{name}: {{from: requests, key: host, window: {{{said}}}, emit: {emit}, aggregates: {{{columns}}}}}"
        )
    return "\n".join(lines)


class Windowed(Run):
    """The app above."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        """Write the declaration, and create the input topic."""
        super().__init__(bootstrap, "windows", folder)
        self.declaration.write_text(declaration("windows"))

    def produce(self, count: int, seed: int, per_second: int = 0) -> None:
        """Produce part of the input."""
        produce(self.bootstrap, self.topic, records(count, seed), per_second=per_second)

    def events(self) -> dict[int, list[Seen]]:
        """Return the input of each partition as it lies in its topic."""
        found: dict[int, list[Seen]] = defaultdict(list)
        for each in read(self.bootstrap, self.topic):
            body = json.loads(each.value)
            found[each.partition].append(Seen(body["host"], body["ts"], each.offset, body["bytes"], None, flag=False))
        return found


def records(count: int, seed: int) -> Iterator[Sent]:
    """Yield records of 8 hosts: time moves on in jumps, and some come late."""
    random = Random(seed)  # noqa: S311 - test data, no secret
    clock = [BASE + number * 777 for number in range(PARTITIONS)]
    for _ in range(count):
        number = random.randrange(8)
        partition = number % PARTITIONS
        clock[partition] += random.choice((0, 100, 400, 900, 2500, 9000))
        ts = clock[partition] - random.choice((0, 0, 0, 1_000, 4_000, 12_000, 60_000))
        value = {"host": f"h{number}", "ts": ts, "bytes": random.randrange(-50, 1000)}
        yield Sent(partition, b"h%d" % number, json.dumps(value).encode())


@pytest.fixture
def run(kafka: KafkaCluster, tmp_path: Path) -> Iterator[Windowed]:
    """Return the app on Apache Kafka."""
    each = Windowed(kafka.bootstrap, tmp_path)
    yield each
    each.kill()


def test_every_kind_of_windows_survives_a_kill(run: Windowed) -> None:
    """A worker is killed midway: the rows of every kind of windows are the oracles', those that were emitted too."""
    for name in "ab":
        run.worker(name)
    for name in "ab":
        run.workers[name].wait_ready()
    feeding = threading.Thread(target=run.produce, args=(COUNT, 7, PER_SECOND))
    feeding.start()
    until(lambda: sum(run.committed()) > COUNT // 3, lambda: f"a third of the input committed\n{run.said()}")
    run.workers["a"].kill()
    feeding.join()
    run.wait_done()
    assert run.workers["b"].stop() == 0, run.said()
    planned, events = plan(load(run.declaration)), run.events()
    for kind, window in WINDOWS.items():
        wanted = {partition: ROWS[kind](window, seen) for partition, seen in events.items()}
        assert kept(run, planned, f"of_{kind}") == {at for rows in wanted.values() for at in rows}
        for partition, rows in wanted.items():
            marks = max(event.time for event in events[partition])
            closed = {at for at, seen in rows.items() if final(window, at, seen, marks)}
            assert emitted(run, planned, f"of_{kind}", partition, rows) >= closed


def final(window: Window, at: At, seen: list[Seen], marks: int) -> bool:
    """Return whether a window is closed: it is full, or its end and grace have passed."""
    return len(seen) == window.size if isinstance(window, Counted) else at[2] + window.grace <= marks


def kept(run: Windowed, planned: Plan, name: str) -> set[At]:
    """Return the rows of a table as its compacted changelog says; each must be the oracle's."""
    table, found = planned.tables[name], set()
    kind = name.removeprefix("of_")
    events = run.events()
    for partition, store in compacted(run.bootstrap, table.changelog).items():
        rows = ROWS[kind](WINDOWS[kind], events[partition])
        for at, values in listed(TableView(table.table, [reader(table.table, store)]).rows()).items():
            same(planned, name, values, rows[at])
            found.add(at)
    return found


def emitted(run: Windowed, planned: Plan, name: str, partition: int, rows: Rows) -> set[At]:
    """Return which rows of a partition went out; the newest of each that is closed must be the oracle's."""
    newest: dict[tuple[Any, ...], tuple[int, bytes]] = {}
    for record in read(run.bootstrap, str(planned.tables[name].emit_topic)):
        headers = dict(record.headers)
        if record.value is not None:
            window = headers.get("number") or (int(headers["start"]), int(headers["end"]))
            at, n = (record.key.decode(), window), int(headers.get("n", b"0"))
            before = newest.get(at, (n, record.value))
            assert before[0] != n or before[1] == record.value, "what is sent again must be the same"
            newest[at] = max(before, (n, record.value), key=lambda each: each[0])
    marks, table = max(event.time for event in run.events()[partition]), planned.tables[name].table
    found: set[At] = set()
    for (key, _), (_, value) in sorted(newest.items(), key=lambda each: str(each[0])):
        body = json.loads(value)
        at = numbered(found, key, body["window"]["start"], body["window"]["end"])
        if at in rows:
            found.add(at)
            if final(table.window, at, rows[at], marks):
                same(planned, name, body, rows[at])
    return found


def same(planned: Plan, name: str, values: dict[str, Any], seen: list[Seen]) -> None:
    """Check a row against the oracle of each column."""
    for column, aggregate in planned.tables[name].table.aggregates.items():
        want, got = PARTS[aggregate.kind].oracle(aggregate, seen), values[column]
        assert got == want or agrees(aggregate, got, want, seen), f"{column} of {name} is {got!r}, not {want!r}"
