"""Two streams into one table, and tables that read it, on real brokers: workers die and come, each row counts once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.letters import OFFSET, PARTITION
from streams.load import load
from streams.plan import plan
from tables.query import Reader
from tables.records import NEVER
from tests.integration.app_run import Run, traffic
from tests.outside import Sent, committed, compacted, create_topic, produce, read, until
from tests.streams.oracle import Event, Oracle, Shape, aggregates
from tests.streams.rekey.recount import Rows, first_open, following, recount
from tests.streams.test_unique import wanted

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]

COUNTS = {"clicks": 2, "requests": 4}
TABLES = ("users", "sites", "whole")
COUNT = 6_000
PER_SECOND = 500
BASE = 1_700_000_000_000
SHAPES = [Shape(10_000, 10_000, 5_000), Shape(60_000, 30_000, 0), Shape(120_000, 120_000, 10_000)]
DECLARATION = """
app: {app}
lookups:
  sites: {{file: {file}, key: code}}
streams:
  requests: {{topic: {app}.requests, time: ts, key: host, idle: never, join: {{sites: site}}}}
  clicks: {{topic: {app}.clicks, time: at, derive: {{user: who, bytes: size / 1}}, idle: never}}
tables:
  once:
    from: requests
    key: host
    where: bytes > -3
    window: {{tumbling: 10s, grace: 5s}}
    unique: id
    within: 1m
    aggregates: {{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes")}}
  regions: {{from: requests, key: sites.region, aggregates: {{n: count(), worth: sum("sites.worth")}}}}
  users:
    from: [requests, clicks]
    key: [site, user]
    window: {{tumbling: 10s, grace: 5s}}
    late: {app}.late
    emit: close
    aggregates: {{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes")}}
  sites:
    from: users
    key: site
    window: {{hopping: 1m, every: 30s, grace: 0s}}
    emit: close
    aggregates: {{n: sum("n"), total: sum("total"), low: min("low"), high: max("high")}}
  whole:
    from: sites
    key: all
    derive: {{all: "'all'"}}
    window: {{tumbling: 2m, grace: 10s}}
    emit: close
    aggregates: {{n: sum("n"), total: sum("total"), low: min("low"), high: max("high")}}
alerts:
  - {{alert: Busy, table: sites, expr: n >= 9}}
"""

SILENT = """
app: {app}
streams:
  requests: {{topic: {app}.requests, time: ts, key: host, idle: 1s}}
  clicks: {{topic: {app}.clicks, time: at, idle: 4s}}
tables:
  users:
    from: [requests, clicks]
    key: [site, user]
    window: {{tumbling: 4s, grace: 0s}}
    emit: close
    aggregates: {{n: count()}}
"""


class Joined(Run):
    """The app above on one broker."""

    def __init__(self, bootstrap: str, app: str, folder: Path) -> None:
        """Write the declaration, and create the input topics."""
        super().__init__(bootstrap, app, folder, topic=False)
        self.sites = folder / "sites.csv"
        self.declaration.write_text(DECLARATION.format(app=app, file=self.sites))
        for name, count in COUNTS.items():
            create_topic(bootstrap, f"{app}.{name}", count)

    def feed(self, seed: int) -> None:
        """Produce to both topics at the same time."""
        feeds = [
            threading.Thread(target=produce, args=(self.bootstrap, f"{self.app}.{name}", made(name, seed)),
                             kwargs={"per_second": PER_SECOND * count // 6})
            for name, count in COUNTS.items()
        ]  # fmt: skip
        for each in feeds:
            each.start()
        for each in feeds:
            each.join()

    def done(self, topic: str, count: int) -> bool:
        """Return whether all of a topic is committed."""
        log = read(self.bootstrap, topic)
        ends = [max((each.offset + 1 for each in log if each.partition == p), default=0) for p in range(count)]
        return committed(self.bootstrap, self.app, topic, count) == ends

    def all_done(self) -> bool:
        """Return whether everything went all the way down; what was committed has been sent on."""
        inputs = all(self.done(f"{self.app}.{name}", count) for name, count in COUNTS.items())
        return inputs and all(self.done(f"{self.app}-{table}-repartition", 4) for table in (*TABLES, "regions"))

    def progressed(self) -> int:
        """Return how many requests are committed."""
        return sum(committed(self.bootstrap, self.app, f"{self.app}.requests", 4))


def made(name: str, seed: int) -> Iterator[Sent]:
    """Yield the records of one topic: time moves on in jumps, some come late."""
    random, count = Random(f"{name}{seed}"), COUNTS[name]  # noqa: S311 - test data, no secret
    clock = [BASE + number * 777 for number in range(count)]
    for _ in range(COUNT * count // 6):
        partition = random.randrange(count)
        clock[partition] += random.choice((0, 100, 400, 900, 2500))
        ts = clock[partition] - random.choice((0, 0, 0, 1_000, 4_000, 12_000, 60_000))
        size, user, site = random.randrange(-50, 1000), f"u{random.randrange(7)}", random.choice(("de", "us", "jp"))
        if name == "requests":
            value: dict[str, Any] = {"host": f"h{partition}", "user": user, "site": site, "ts": ts, "bytes": size}
            value["id"] = random.choice((None, f"r{random.randrange(60)}"))
        else:
            value = {"who": user, "site": site, "at": ts, "size": size}
        yield Sent(partition, None if name == "clicks" else b"h%d" % partition, json.dumps(value).encode())


@pytest.fixture(params=["embedded", "kafka"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Joined]:
    """Return an app on each of the brokers."""
    app = "j" if "killed" in request.node.originalname else "silent"
    each = Joined(request.getfixturevalue(request.param).bootstrap, f"{app}{request.param}", tmp_path)
    yield each
    each.kill()


def test_a_killed_worker_and_a_new_one_change_nothing(run: Joined) -> None:
    """One worker is killed midway, one is added: every table of the chain equals a recount, and so do its rows."""
    run.worker("a")
    run.worker("b")
    until(lambda: "lookup sites" in run.workers["a"].output, lambda: f"the missing lookup to be named\n{run.said()}")
    assert not run.workers["a"].ready()
    run.sites.write_text("code,region,worth\nde,eu,2\nus,na,3\nfr,eu,5\n")
    run.workers["a"].wait_ready()
    run.workers["b"].wait_ready()
    feeding = threading.Thread(target=run.feed, args=(7,))
    feeding.start()
    until(lambda: run.progressed() > COUNT * 4 // 6 // 5, lambda: f"a fifth of the input committed\n{run.said()}")
    run.workers["a"].kill()
    until(lambda: run.progressed() > COUNT * 4 // 6 // 2, lambda: f"half of the input committed\n{run.said()}")
    run.worker("c").wait_ready()
    feeding.join()
    until(run.all_done, lambda: f"everything committed\n{run.said()}", 90)
    assert [run.workers[name].stop() for name in "bc"] == [0, 0], run.said()
    compare(run)


def test_a_stream_without_a_record_may_be_silent_last(run: Joined) -> None:
    """It held the windows of the other one back until then; the clock goes on from what the other one has seen."""
    run.declaration.write_text(SILENT.format(app=run.app))
    rows = [{"user": "u", "site": "de", "ts": BASE + at, "bytes": 1} for at in (0, 1_000, 12_000)]
    produce(run.bootstrap, f"{run.app}.requests", [Sent(0, b"h", json.dumps(row).encode()) for row in rows])
    worker = run.worker("a").wait_ready()
    until(lambda: len(read(run.bootstrap, f"{run.app}-users")) == 2, lambda: f"both windows\n{run.said()}", 60)
    assert worker.stop() == 0
    sent = [json.loads(each.value) for each in read(run.bootstrap, f"{run.app}-users")]
    assert {row["window"]["start"]: row["n"] for row in sent} == {BASE: 2, BASE + 12_000: 1}


def compare(run: Joined) -> None:
    """Compare all that the app left behind with a recount of the input as it lies in its topics."""
    planned, oracles = plan(load(run.declaration)), recounts(run)
    assert traffic(run, planned, "once") == once(run)
    assert regions(run) == looked_up(run)
    users = {(p, *at): aggregates(rows) for p, each in enumerate(oracles) for at, rows in each.rows.items()}
    assert traffic(run, planned, "users") == {at: kept(row) for at, row in users.items()}
    closed: list[Rows] = [{at: kept(row) for at, row in each.closed.items()} for each in oracles]
    assert emitted(run, "users") == together(closed)
    ends: Sequence[int | None] = [first_open(SHAPES[0], each.watermark) for each in oracles]
    assert min(each.watermark for each in oracles) > NEVER
    for level, name, key in ((1, "sites", lambda text: json.loads(text)[0]), (2, "whole", lambda _: "all")):
        found = [following(SHAPES[level - 1], SHAPES[level], closed, ends, key, at) for at in range(4)]
        assert traffic(run, planned, name) == {
            (p, *at): row for p, each in enumerate(found) for at, row in each[0].items()
        }
        closed, ends = [each[1] for each in found], [each[2] for each in found]
        assert emitted(run, name) == together(closed)
        assert len(together(closed)) > (5 if name == "whole" else 50)


def regions(run: Run) -> dict[str, tuple[int, int]]:
    """Return the table by a looked up key as its compacted changelog says."""
    table = plan(load(run.declaration)).tables["regions"]
    stores = compacted(run.bootstrap, table.changelog).values()
    pages = [Reader(table.table, store).latest(limit=1 << 30) for store in stores]
    return {row.key.decode(): (row.values["n"], row.values["worth"]) for page in pages for row in page.rows}


def looked_up(run: Run) -> dict[str, tuple[int, int]]:
    """Return the same by a count of the requests; those of the third site have no region, and make dead letters."""
    sites = Counter(json.loads(each.value)["site"] for each in read(run.bootstrap, f"{run.app}.requests"))
    letters = [dict(each.headers) for each in read(run.bootstrap, f"{run.app}-dead-letters")]
    assert len({(each[PARTITION], each[OFFSET]) for each in letters}) == sites["jp"] > 100
    return {"eu": (sites["de"], 2 * sites["de"]), "na": (sites["us"], 3 * sites["us"])}


def once(run: Run) -> dict[tuple[int, int, str], dict[str, int]]:
    """Return the rows of the requests that are unique, and see that some are not."""
    log, found, repeated = read(run.bootstrap, f"{run.app}.requests"), {}, 0
    for number in range(COUNTS["requests"]):
        rows = [json.loads(each.value) for each in log if each.partition == number]
        made, again = wanted(Shape(10, 10, 5), 60, [{**row, "v": row["bytes"]} for row in rows])
        found.update({(number, *at): kept(row) for at, row in made.items()})
        repeated += again
    assert repeated > 100, "some rows must come again"
    return found


def recounts(run: Run) -> list[Oracle]:
    """Return what each partition of the table of users must be."""
    logs: list[list[tuple[Event, bool]]] = []
    for name, count in COUNTS.items():
        log = read(run.bootstrap, f"{run.app}.{name}")
        parts = [[each for each in log if each.partition == number] for number in range(count)]
        logs += [[(event(json.loads(each.value), each.offset), True) for each in part] for part in parts]
    return [recount(SHAPES[0], logs, partition, 4) for partition in range(4)]


def event(value: dict[str, Any], offset: int) -> Event:
    """Return a record of either topic as the table sees it."""
    key = json.dumps([value["site"], value.get("user", value.get("who"))], separators=(",", ":"))
    return Event(offset, key, value.get("ts", value.get("at")), value.get("bytes", value.get("size")))


def kept(row: dict[str, Any]) -> dict[str, int]:
    """Return the columns that the tables have."""
    return {name: row[name] for name in ("n", "total", "low", "high")}


def together(closed: Sequence[Rows]) -> Rows:
    """Return the rows of all partitions."""
    return {at: row for rows in closed for at, row in rows.items()}


def emitted(run: Run, table: str) -> Rows:
    """Return the emitted rows without repeats, which must be equal."""
    found: Rows = {}
    for record in read(run.bootstrap, f"{run.app}-{table}"):
        at = int(dict(record.headers)["start"]), record.key.decode()
        row = kept(json.loads(record.value))
        assert found.setdefault(at, row) == row
    return found
