"""The faust.App that runs a declaration: every stream is an agent, every table a faust.Table on cells."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.app.base import BootStrategy
from faust.types import TP, StreamT
from mode import ServiceT

from streams.build import Builder
from streams.options import SettingsError
from streams.plan import Plan, plan
from streams.problems import DeclarationError
from streams.runtime.guard import Worker
from streams.runtime.memory import Memory
from streams.runtime.preflight import Preflight
from streams.runtime.runtime import Runtime
from streams.settings import KafkaSettings, WorkerSettings, read_settings
from streams.transport.assignor import Assignor
from streams.transport.consumer import BatchConsumer, BatchTransport
from streams.transport.passing import BatchSchema
from tables.manager import CellTableManager
from tables.table import CellTable

if TYPE_CHECKING:
    from streams.spec import Alert, Declaration, LookupTable, Stream
    from tables.spec import Table

EX_CONFIG = 78
"""Exit code of a bad declaration or a bad setting (sysexits.h)."""


class Boot(BootStrategy):
    """Starts the views first, so that health can be asked while the broker is waited for."""

    app: App

    def server(self) -> Iterable[ServiceT]:
        """Return the services of a worker in the order of their start."""
        return self._chain(
            self.sensors(),
            self.web_server(),
            [self.app.preflight],
            self.kafka_producer(),
            self.kafka_consumer(),
            self.agents(),
            self.kafka_conductor(),
            self.tables(),
        )

    def web_server(self) -> Iterable[ServiceT]:
        """Return our own web server; Faust's pages are never served."""
        return [self.app.views] if self._should_enable_web() else []


class App(faust.App):
    """A faust.App with a declaration.

    `app.stream("name", topic=...)`, `app.table(...)` and `app.alert(...)` declare; what they take is in
    `deploy/docs/declaration.md`. Anything else is Faust's own.

    Args:
        id: the app's id: consumer group, and prefix of every topic it makes.
        kafka: settings by librdkafka's names; environment variables win over them.
        topics: other names for the app's own topics: `alerts`, `dead_letters`.
        options: settings of `faust.App`; they win over both.
    """

    BootStrategy = Boot

    def __init__(
        self,
        id: str,  # noqa: A002 - faust's own name
        *,
        kafka: Mapping[str, str] | None = None,
        topics: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.declared = Builder(id, kafka=kafka or {}, topics=topics or {})
        self._kafka_settings, self.worker_settings = _settings_or_exit(id, kafka or {})
        self._plan: Plan | None = None
        self._runtime: Runtime | None = None
        super().__init__(id, **{**_faust_options(id, self._kafka_settings, self.worker_settings), **options})

    @classmethod
    def of(cls, declaration: Declaration, **options: Any) -> App:
        """Return the app of a declaration that was loaded from a file."""
        app = cls(declaration.app, kafka=declaration.kafka, topics=declaration.topics, **options)
        app.declared.adopt(declaration)
        return app

    # declaring

    @property
    def declaration(self) -> Declaration:
        """What was declared so far."""
        return self.declared.declaration

    def stream(self, channel: Any, beacon: Any = None, **options: Any) -> Any:
        """Declare a stream if `channel` is a name; anything else is Faust's `App.stream`."""
        if isinstance(channel, str):
            return self._declare_stream(channel, **options)
        found: StreamT[Any] = super().stream(channel, beacon=beacon, **options)
        return found

    def _declare_stream(self, name: str, **options: Any) -> Stream:
        return self.declared.stream(name, **options)

    def lookup(self, name: str, **options: Any) -> LookupTable:
        """Declare a lookup; see `streams.build.Builder.lookup`."""
        return self.declared.lookup(name, **options)

    def table(self, name: str, **options: Any) -> Table:
        """Declare a table; see `streams.build.Builder.table`."""
        return self.declared.table(name, **options)

    def alert(self, name: str, **options: Any) -> Alert:
        """Declare an alert; see `streams.build.Builder.alert`."""
        return self.declared.alert(name, **options)

    # running

    @property
    def plan(self) -> Plan:
        """What the declaration comes to.

        Raises:
            DeclarationError: with every mistake in it.
        """
        if self._plan is None:
            self.declared.check()
            self._plan = plan(self.declaration)
        return self._plan

    def finalize(self) -> None:
        """Compile the plan, and make Faust's agents and tables of it."""
        if self.finalized:
            return
        super().finalize()
        try:
            made = self.plan
        except DeclarationError as error:
            _exit(str(error))
        for stream in made.streams.values():
            self._add_agent(stream.name, stream.stream.topic, f"Folds the records of stream {stream.name}, in batches.")
        for topic, table in made.rekeyed.items():
            sources = " and ".join(table.table.sources)
            about = f"Folds the rows of table {table.name}, which come in blocks from all of {sources}."
            self._add_agent(f"{table.source}.{table.name}", topic, about)
        for table in made.tables.values():
            self.tables.add(CellTable(self, spec=table.table, changelog=table.changelog, beacon=self.tables.beacon))

    def _add_agent(self, name: str, source: str, about: str) -> None:
        topic = self.topic(source, schema=BatchSchema(), internal=False)
        self.agent(topic, name=f"{self.conf.id}.{name}")(self._fold_agent(name, about))

    def _fold_agent(self, name: str, about: str) -> Callable[[StreamT[Any]], Any]:
        async def fold(stream: StreamT[Any]) -> None:
            async for event in cast("Any", stream).noack().events():
                for tp, records in event.value.items():
                    self.runtime.accept(tp, records)

        fold.__name__ = name
        fold.__doc__ = about
        return fold

    @property
    def batch_topics(self) -> frozenset[str]:
        """Topics that the declared streams read, and those through which tables are re-keyed."""
        sources = frozenset(stream.stream.topic for stream in self.plan.streams.values())
        return sources | self.plan.rekeyed.keys()

    @property
    def cell_changelogs(self) -> frozenset[str]:
        """Changelog topics of the declared tables."""
        return frozenset(table.changelog for table in self.plan.tables.values())

    @property
    def runtime(self) -> Runtime:
        """What runs the declared streams in this worker."""
        if self._runtime is None:
            directory = Path(self.conf.datadir) / "cells"
            memory = Memory(self.worker_settings.state_memory)
            self._runtime = Runtime(self, self.plan, self._kafka_settings, directory, memory)
        return self._runtime

    @property
    def preflight(self) -> Preflight:
        """The service that waits for broker and topics."""
        return Preflight(self.runtime, self._kafka_settings, loop=self.loop, beacon=self.beacon)

    @property
    def views(self) -> ServiceT:
        """The web server of this worker."""
        from streams.web import WebServer  # noqa: PLC0415 - a worker without web needs no aiohttp application

        return WebServer(self, loop=self.loop, beacon=self.beacon)

    def _new_transport(self) -> BatchTransport:
        BatchConsumer.fetch_settings.update(self._kafka_settings.fetching())
        BatchConsumer.max_batch_bytes = self._kafka_settings.max_batch_bytes
        return BatchTransport(self.conf.broker_consumer, self)

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super()._on_partitions_assigned(assigned, generation_id)
        if not self.should_stop:
            assignor = cast("Assignor", self.assignor)
            self.runtime.assigned(assigned, assignor.assigned_standbys(), assignor.warming)

    async def on_stop(self) -> None:
        """Let batches in progress end, commit, close the stores, leave the group."""
        await super().on_stop()
        await self.runtime.stop()


def _faust_options(app: str, kafka: KafkaSettings, worker: WorkerSettings) -> dict[str, Any]:
    return {
        **kafka.faust(),
        "datadir": worker.directory(app),
        "store": "memory://",
        "TableManager": CellTableManager,
        "PartitionAssignor": Assignor,
        "Worker": Worker,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "broker_commit_every": 10**9,
        "broker_commit_livelock_soft_timeout": 10**6,
        "stream_buffer_maxsize": 64,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "web_bind": worker.web_bind,
        "web_host": worker.advertised_host,
        "web_port": worker.web_port,
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "canonical_url": f"http://{worker.advertised_host}:{worker.web_port}",
    }


def _settings_or_exit(app: str, kafka: Mapping[str, str]) -> tuple[KafkaSettings, WorkerSettings]:
    try:
        return read_settings(app, kafka, os.environ)
    except SettingsError as error:
        _exit(str(error))
        raise


def _exit(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(EX_CONFIG)
