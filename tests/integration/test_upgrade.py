"""Changed declarations, starting over, cut and recut logs: real workers on Apache Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions

from streams.cli import main
from tests.brokers import KafkaCluster
from tests.outside import Sent, committed, create_topic, produce, read, until
from tests.workers import Worker

pytestmark = pytest.mark.kafka
SETTINGS = {"STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000", "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000"}


class App:
    """One app with one running total, whose declaration changes.

    Args:
        bootstrap: address of the broker.
        name: the app's id.
        folder: for declarations, state and output.
    """

    def __init__(self, bootstrap: str, name: str, folder: Path) -> None:
        """Create the input topic."""
        self.bootstrap, self.name, self.folder = bootstrap, name, folder
        self.sent = 0
        self.declare()
        self.running: Worker | None = None
        create_topic(bootstrap, f"{name}.in", 1)

    def declare(self, columns: str = "n: count()", more: str = "") -> None:
        """Write the declaration."""
        self.file = self.folder / "app.yaml"
        self.file.write_text(
            f"app: {self.name}\nstreams: {{s: {{topic: {self.name}.in, key: host}}}}\n"
            f"tables: {{t: {{from: s, key: host, {more} aggregates: {{{columns}}}}}}}\n"
        )

    def start(self, name: str = "w") -> Worker:
        """Start a worker and wait until it is ready."""
        self.running = Worker(self.file, self.bootstrap, self.folder / name, **SETTINGS)
        return self.running.start().wait_ready()

    def feed(self, count: int, host: str = "a") -> None:
        """Produce records, and wait until they are counted and committed."""
        values = [json.dumps({"host": host, "v": number}).encode() for number in range(count)]
        produce(self.bootstrap, f"{self.name}.in", [Sent(0, host.encode(), value) for value in values])
        self.sent += count
        until(
            lambda: committed(self.bootstrap, self.name, f"{self.name}.in", 1) == [self.sent],
            lambda: f"{self.sent} records committed: {self.running and self.running.output[-3000:]}",
            60,
        )

    def row(self, host: str = "a") -> dict[str, Any]:
        """Return the values of a row as the worker shows it."""
        assert self.running is not None
        rows = self.running.patient(f"/api/v1/tables/t/{host}")["data"]["rows"]
        return dict(rows[-1]["values"]) if rows else {}

    def command(self, *arguments: str) -> str:
        """Return what a command prints."""
        full = [arguments[0], str(self.file), "--bootstrap", self.bootstrap, *arguments[1:]]
        done = CliRunner().invoke(main, full, input="n\n")
        return done.output

    def topics(self) -> set[str]:
        """Return the names of the app's topics."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            return {topic for topic in admin.list_topics() if topic.startswith(self.name)}
        finally:
            admin.close()


@pytest.fixture
def app(request: pytest.FixtureRequest, kafka: KafkaCluster, tmp_path: Path) -> Iterator[App]:
    """Return a fresh app."""
    made = App(kafka.bootstrap, f"up{abs(hash(request.node.name)) % 10**6}", tmp_path)
    yield made
    if made.running:
        made.running.kill()


def test_columns_migrate_and_another_window_begins_a_generation(app: App) -> None:
    """`streams plan` says beforehand what a change does; columns live on, and another base has a topic of its own."""
    assert "table t: new, in" in app.command("plan")
    app.start()
    app.feed(5)
    assert "table t: unchanged" in app.command("plan")
    assert app.running is not None
    app.running.stop()
    app.declare('n: count(), top: max("v")')
    assert "migrates" in app.command("plan")
    assert "begins top" in app.command("plan")
    app.start()
    app.feed(3)
    assert app.row() == {"n": 8, "top": 2}
    app.running.stop()
    app.declare(more='where: "v >= 1",')
    before = app.topics()
    said = app.command("plan")
    assert "starts anew" in said
    assert "a condition (where) changed" in said
    assert app.topics() == before
    app.start()
    app.feed(4)
    assert app.row() == {"n": 3}
    (generation,) = app.topics() - before
    assert generation.startswith(f"{app.name}-t-changelog-")
    app.running.stop()
    app.declare('n: count(), top: max("v")')
    app.start()
    until(lambda: app.row() == {"n": 12, "top": 3}, lambda: f"{app.row()}", 30)


def test_an_app_starts_over(app: App) -> None:
    """`streams reset` refuses while a worker runs, then deletes state and offsets; a kept local store is not used."""
    app.start()
    app.feed(5)
    assert "running workers" in app.command("reset", "--yes")
    assert app.running is not None
    app.running.stop()
    assert "nothing was deleted" in app.command("reset")
    said = app.command("reset", "--yes")
    assert f"topic {app.name}-t-changelog" in said
    assert "done" in said
    assert f"{app.name}-t-changelog" not in app.topics()
    assert f"{app.name}-dead-letters" in app.topics()
    app.start()
    app.feed(5)
    until(lambda: app.row() == {"n": 10}, lambda: f"{app.row()}", 30)


def test_a_changelog_without_its_beginning(app: App) -> None:
    """The local store writes again what was deleted; without one the loss is named, and nothing is counted."""
    app.start()
    app.feed(5, "a")
    app.feed(5, "b")
    assert app.running is not None
    app.running.stop()
    changelog = f"{app.name}-t-changelog"
    cut(app.bootstrap, changelog)
    app.start()
    app.feed(1, "c")
    until(
        lambda: len({record.key for record in read(app.bootstrap, changelog) if record.key[:1] == b"c"}) == 3, "cells"
    )
    app.running.stop()
    app.start("elsewhere")
    assert [app.row(host) for host in "abc"] == [{"n": 5}, {"n": 5}, {"n": 1}]
    app.running.stop()
    cut(app.bootstrap, changelog, keep=2)
    third = Worker(app.file, app.bootstrap, app.folder / "third", **SETTINGS).start()
    app.running = third
    until(lambda: "its state needs all from" in third.output, lambda: third.output[-3000:], 60)
    assert not third.ready()


def cut(bootstrap: str, topic: str, keep: int = 1) -> None:
    """Delete all but the last records of a topic's only partition, as a retention that is too short would."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    last = read(bootstrap, topic)[-1].offset
    for policy in ("compact,delete", "compact"):
        settings = {"cleanup.policy": policy}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)], incremental=True)
        if policy != "compact":
            admin.delete_records({TopicPartition(topic, 0): last + 1 - keep})
    admin.close()


def test_added_partitions_of_the_input_are_refused(app: App) -> None:
    """While a worker runs and when one starts: with other partitions nothing is counted, and the reason is told."""
    app.start()
    app.feed(5)
    assert app.running is not None
    app.running.stop()
    admin = KafkaAdminClient(bootstrap_servers=app.bootstrap)
    admin.create_partitions({f"{app.name}.in": NewPartitions(2)})
    admin.close()
    app.running = Worker(app.file, app.bootstrap, app.folder / "w", **SETTINGS).start()
    until(lambda: "must have 2 partitions" in app.running.output, lambda: app.running.output[-2000:], 60)  # type: ignore[union-attr] # started above
    assert not app.running.ready()
