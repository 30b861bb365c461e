"""Workers without Kafka: tables as plain dicts behind the real views, on real loopback sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientSession, web
from yarl import URL

from streams.load import loads
from streams.plan import Plan, plan
from streams.rules.judge import AlertView
from streams.runtime.standing import Behind
from streams.views import Access, application
from tables.keys import key_bytes
from tables.query import MOST_WINDOWS, Page, Row, TooManyWindows

TEXT = """
app: ops
streams:
  access: {topic: web.access, codec: json, time: ts, key: host}
  routed: {topic: web.routed, codec: json, time: ts, key: [host, code]}
tables:
  traffic:
    from: access
    key: host
    window: {tumbling: 1m}
    aggregates:
      requests: count()
      slowest: max("request_time")
  routes:
    from: routed
    key: [host, code]
    aggregates:
      requests: count()
alerts:
  - alert: Busy
    table: traffic
    expr: requests > 100
    for: 2m
    labels: {severity: page}
    annotations: {summary: "<b>{{ $labels.host }}</b>"}
  - alert: Busy
    table: traffic
    expr: requests > 1000
"""
MINUTE = 60_000
Rows = dict[bytes, list[Row]]


def row(key: Any, start: int | None, **values: Any) -> Row:
    """Return a row of a one-minute window (or of no window)."""
    parts = key if isinstance(key, tuple) else (key,)
    return Row(key_bytes(parts), start, None if start is None else start + MINUTE, values, closed=True)


def alert(host: str, state: Any = "firing", **more: Any) -> AlertView:
    """Return a live alert of the rule `Busy`."""
    made: dict[str, Any] = {
        "rule": "Busy", "name": "Busy", "key": host.encode(), "labels": {"alertname": "Busy", "host": host},
        "annotations": {"summary": f"<b>{host}</b>"}, "state": state, "active_at": 1_530_736_024_606,
        "fired_at": None, "value": 120, "values": {},
    }  # fmt: skip
    return AlertView(**{**made, **more})


class FakeReader:
    """A table partition as a dict: key bytes to rows in the order of windows."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Sort rows by key."""
        self.rows: Rows = {}
        for each in rows:
            self.rows.setdefault(each.key, []).append(each)

    def get(self, key: bytes, from_: int | None = None, to: int | None = None) -> list[Row]:
        """Return the rows of a key whose windows start in the interval."""
        low, high = -1 if from_ is None else from_, 1 << 62 if to is None else to
        return [each for each in self.rows.get(key, []) if each.start is None or low <= each.start < high]

    def latest(self, prefix: bytes = b"", after: bytes | None = None, limit: int = 100) -> Page:
        """Return the last row of each key."""
        keys = sorted(key for key in self.rows if key.startswith(prefix) and (after is None or key > after))
        page = [self.rows[key][-1] for key in keys[:limit]]
        return Page(page, page[-1].key if len(keys) > limit else None)

    def between(
        self, from_: int | None, to: int | None, after: bytes | None = None, limit: int = 100, prefix: bytes = b""
    ) -> list[Page]:  # fmt: skip
        """Return a page of each minute that rows of the interval start in."""
        found = [each for key in self.rows for each in self.get(key, from_, to)]
        minutes = sorted({(each.start or 0) // MINUTE for each in found})
        if len(minutes) > MOST_WINDOWS:
            raise TooManyWindows(f"{len(minutes)} windows")
        parts = ([each for each in found if (each.start or 0) // MINUTE == minute] for minute in minutes)
        return [FakeReader(part).latest(prefix, after, limit) for part in parts]


class FakeWorker:
    """A worker that has some partitions of tables of 4 partitions each.

    Args:
        partitions: by table and partition, the rows.
        alerts: its live alerts.
    """

    def __init__(self, partitions: Mapping[str, Mapping[int, list[Row]]], alerts: Iterable[AlertView] = ()) -> None:
        """Make readers of the rows."""
        self.plan: Plan = plan(loads(TEXT))
        self.worker = ""
        self.counts = {"traffic": 4, "routes": 4}
        self.readers = {
            table: {number: (FakeReader(rows), "running") for number, rows in given.items()}
            for table, given in partitions.items()
        }
        self.follows: dict[str, dict[int, tuple[Any, Behind]]] = {}
        self.crowd: list[FakeWorker] = [self]
        self.live = list(alerts)
        self.others: list[str] = []
        self.owners: dict[int, str] = {}
        self.state = (True, "")

    def partition_count(self, table: str) -> int:
        """Return the count that the test set."""
        return self.counts[table]

    def partitions(self, table: str) -> Mapping[int, tuple[Any, str]]:
        """Return the readers."""
        return self.readers.get(table, {})

    def follow(self, table: str, partition: int, rows: list[Row], records: int, ms: int) -> None:
        """Let the worker follow a partition of another."""
        self.follows.setdefault(table, {})[partition] = FakeReader(rows), Behind(records, ms)

    def followed(self, table: str) -> Mapping[int, tuple[Any, Behind]]:
        """Return what the worker follows."""
        return self.follows.get(table, {})

    def followers(self, table: str) -> Mapping[str, Collection[int]]:
        """Return what all workers follow."""
        return {each.worker: list(each.followed(table)) for each in self.crowd}

    def guess(self, table: str, key: bytes) -> int:
        """Return the key's length modulo the number of partitions."""
        return len(key) % self.counts[table]

    def owner(self, table: str, partition: int) -> str | None:  # noqa: ARG002 - of the interface
        """Return the owner that the test set."""
        return self.owners.get(partition)

    def alerts(self) -> Iterable[AlertView]:
        """Return the live alerts."""
        return self.live

    def lag(self) -> Mapping[str, int | None]:
        """Return a lag of 7 for one input, and one that is not known."""
        return {"web.access-0": 7, "web.access-1": None}

    def ready(self) -> tuple[bool, str]:
        """Return the state that the test set."""
        return self.state

    def peers(self) -> Iterable[str]:
        """Return the workers that the test set."""
        return self.others


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free loopback port; yields its base URL."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


Get = Callable[..., Awaitable[tuple[int, Any, Mapping[str, str]]]]


def ask(test: Callable[[Get], Awaitable[None]], *workers: FakeWorker, access: Access | None = None) -> None:
    """Serve the workers, know them to each other, and run a test.

    Args:
        test: called with `get(path, worker=0, **headers)`, which returns status, body (decoded if JSON) and headers.
        workers: the workers.
        access: tokens of all.
    """

    async def served_all(left: list[FakeWorker]) -> None:
        if left:
            async with served(application(left[0], access)) as base:
                left[0].worker = base
                await served_all(left[1:])
            return
        for worker in workers:
            worker.others += [other.worker for other in workers if other is not worker]
            worker.crowd = list(workers)
        async with ClientSession() as session:

            async def get(path: str, worker: int = 0, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
                url = URL(workers[worker].worker + path, encoded=True)
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    body = await response.read()
                    is_json = response.content_type == "application/json"
                    return response.status, msgspec.json.decode(body) if is_json else body.decode(), response.headers

            await test(get)

    asyncio.run(served_all(list(workers)))
