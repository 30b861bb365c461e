"""The web server of a worker: the views over what its runtime holds, and /metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from mode import Service

from streams.metrics import CONTENT_TYPE, exposition
from streams.transport.partitioner import partition_for
from streams.version import installed_version
from streams.views import Access, Reader, Server, application

if TYPE_CHECKING:
    from streams.app import App
    from streams.plan import Plan
    from streams.rules.judge import AlertView
    from streams.runtime.standing import Behind
    from streams.transport.assignor import Assignor


class WorkerProvider:
    """What the views know of this worker.

    Args:
        app: the worker's app.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._runtime = app.runtime

    @property
    def plan(self) -> Plan:
        """The plan of the app."""
        return self._runtime.plan

    @property
    def worker(self) -> str:
        """Base URL of this worker, by which the others know it."""
        return str(self._app.conf.canonical_url).rstrip("/")

    def partition_count(self, table: str) -> int:
        """Return the number of partitions of a table, 0 while the broker was not asked."""
        return self.plan.partitions(table, self._runtime.counts)

    def partitions(self, table: str) -> Mapping[int, tuple[Reader | None, str]]:
        """Return this worker's partitions of a table; the reader of one that is not running must not answer."""
        found: dict[int, tuple[Reader | None, str]] = {}
        for each in list(self._runtime.partitions.values()):
            for part in each.tables:
                if part.plan.name == table:
                    found[each.partition] = (part.reader if each.answers else None, each.state.value)
        return found

    def followed(self, table: str) -> Mapping[int, tuple[Reader, Behind]]:
        """Return the partitions that this worker follows, or takes over just now: reader, and how old its rows are."""
        found: dict[int, tuple[Reader, Behind]] = {}
        for (name, partition), part in list(self._runtime.tables.items()):
            behind = None if part.standing is None else part.standing.behind()
            if name == table and part.reader is not None and behind is not None:
                found[partition] = part.reader, behind
        return found

    def followers(self, table: str) -> Mapping[str, Collection[int]]:
        """Return worker -> partitions that it follows, as the group's leader said at the last assignment."""
        topic, assignor = self.plan.tables[table].changelog, cast("Assignor", self._app.assignor)
        return {url.rstrip("/"): topics[topic] for url, topics in assignor.followers.items() if topic in topics}

    def guess(self, table: str, key: bytes) -> int:
        """Return the partition in which Java's producer would have put the key."""
        return partition_for(key, self.partition_count(table))

    def owner(self, table: str, partition: int) -> str | None:
        """Return the worker that has a partition, as the group's leader said at the last assignment."""
        topic = self.plan.tables[table].changelog
        for url, topics in self._distribution().items():
            if partition in topics.get(topic, ()):
                return url
        return None

    def alerts(self) -> Iterable[AlertView]:
        """Return the live alerts of this worker's running partitions."""
        running = [each for each in list(self._runtime.partitions.values()) if each.answers]
        return [alert for each in running for part in each.tables for alert in part.engine.alerts()]

    def lag(self) -> Mapping[str, int | None]:
        """Return how many records of each local input partition are not folded yet."""
        return {each.origin: self._runtime.lag(each) for each in list(self._runtime.partitions.values())}

    def ready(self) -> tuple[bool, str]:
        """Return whether all assigned partitions are restored and running, and if not, what is waited for."""
        return self._runtime.ready()

    def peers(self) -> Iterable[str]:
        """Return the base URLs of the other workers of the group."""
        return [url for url in self._distribution() if url != self.worker]

    def _distribution(self) -> dict[str, Mapping[str, Iterable[int]]]:
        """Return worker -> topic -> partitions; before the first assignment it is empty."""
        assignor: Any = self._app.assignor  # what Faust declares of it leaves this out
        assigned = assignor.changelog_distribution
        return {str(url).rstrip("/"): topics for url, topics in assigned.items()}


class WebServer(Service):
    """Serves views and metrics from the start of the worker on, so that health can be asked while it waits.

    Args:
        app: the worker's app.
    """

    def __init__(self, app: App, **options: Any) -> None:
        self.app = app
        self._server: Server | None = None
        super().__init__(**options)

    async def on_start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address is in use, or not ours.
        """
        settings = self.app.worker_settings
        tokens = tuple(token.reveal() for token in settings.web_tokens)
        service = settings.service_token.reveal() if settings.service_token else None
        routes = [web.get("/metrics", self._metrics)]
        views = application(WorkerProvider(self.app), Access(tokens, service), routes)
        self._server = Server(views, self.app.conf.web_bind, self.app.conf.web_port)
        await self._server.start()

    async def on_stop(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        body = await exposition(self.app.runtime, installed_version())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
