"""Real `faust worker` processes join, leave and restart on Apache Kafka; the broker says what moves, and it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from tests.brokers import KafkaCluster
from tests.outside import create_topic, until
from tests.workers import Worker

SETTINGS = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
}
TABLE = "{{from: {stream}, key: host, aggregates: {{n: count()}}}}"

NUMBERS = count(1)
"""Tells the apps of the tests apart, which share a broker."""

Owners = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Seen:
    """A group at one time, as the broker describes it.

    Args:
        members: ids that the broker gave; a new process has a new one.
        owners: (topic, partition) -> worker.
        workers: all members, those without partitions too.
        protocol: name of the assignment protocol.
    """

    members: frozenset[str]
    owners: Owners
    workers: frozenset[str]
    protocol: str


class Crew:
    """One app on Apache Kafka and its workers.

    Args:
        bootstrap: address of the broker.
        app: the app's id.
        folder: for declarations, state and output.
        streams: name -> partitions of its topic.
    """

    def __init__(self, bootstrap: str, app: str, folder: Path, streams: Mapping[str, int]) -> None:
        """Create the input topics."""
        self.bootstrap, self.app, self.folder, self.streams = bootstrap, app, folder, streams
        self.workers: dict[str, Worker] = {}
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        for name, partitions in streams.items():
            create_topic(bootstrap, f"{app}.{name}", partitions)

    def declaration(self, *more: str) -> Path:
        """Write a declaration with a table of each stream, and further ones of the first."""
        lines = [f"app: {self.app}", "streams:"]
        lines += [f"  {name}: {{topic: {self.app}.{name}, codec: json, time: ts, key: host}}" for name in self.streams]
        tables = {f"of_{name}": name for name in self.streams} | dict.fromkeys(more, next(iter(self.streams)))
        lines += ["tables:", *(f"  {name}: {TABLE.format(stream=stream)}" for name, stream in tables.items())]
        path = self.folder / f"{self.app}-{len(tables)}.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self, name: str, declaration: Path, **settings: str) -> Worker:
        """Start a worker; one of the same name goes on where it ended."""
        more = {**SETTINGS, "STREAMS_KAFKA_CLIENT_ID": name, **settings}
        self.workers[name] = Worker(declaration, self.bootstrap, self.folder / name, **more).start()
        return self.workers[name]

    def settled(self, *names: str) -> Seen:
        """Return the group when exactly these workers are in it, stable and ready."""
        until(lambda: self._is(names), lambda: f"the group to be {names}\n{self.said()}", 60)
        return self._seen(self._describe())

    def said(self) -> str:
        """Return the end of what each worker printed."""
        return "\n".join(f"== {name}\n{worker.output[-3000:]}" for name, worker in self.workers.items())

    def close(self) -> None:
        """End everything."""
        for worker in self.workers.values():
            worker.kill()
        self._admin.close()

    def _is(self, names: tuple[str, ...]) -> bool:
        if not all(self.workers[name].ready() for name in names):
            return False
        group = self._describe()
        return group["group_state"] == "Stable" and sorted(map(_worker, group["members"])) == sorted(names)

    def _describe(self) -> Any:
        return self._admin.describe_groups([self.app])[self.app]

    def _seen(self, group: Any) -> Seen:
        owners = {}
        for member in group["members"]:
            for topic in member["member_assignment"]["assigned_partitions"]:
                for partition in topic["partitions"]:
                    assert (topic["topic"], partition) not in owners, "two owners of a partition"
                    owners[topic["topic"], partition] = _worker(member)
        ids = frozenset(member["member_id"] for member in group["members"])
        workers = frozenset(_worker(member) for member in group["members"])
        return Seen(ids, owners, workers, group["protocol_data"])


def _worker(member: Any) -> str:
    return str(member["client_id"])


def moved(before: Seen, now: Seen) -> int:
    """Return how many partitions of inputs have another worker than before."""
    return sum(before.owners[at] != name for at, name in now.owners.items() if not at[0].endswith("-changelog"))


def share(seen: Seen, worker: str) -> int:
    """Return how many partitions of inputs a worker has."""
    return sum(name == worker for at, name in seen.owners.items() if not at[0].endswith("-changelog"))


def together(seen: Seen, crew: Crew, *more: str) -> bool:
    """Return whether every changelog partition is known to be with its source's."""
    first = next(iter(crew.streams))
    pairs = [(f"{crew.app}.{name}", f"{crew.app}-of_{name}-changelog") for name in crew.streams]
    pairs += [(f"{crew.app}.{first}", f"{crew.app}-{table}-changelog") for table in more]
    counts = {f"{crew.app}.{name}": partitions for name, partitions in crew.streams.items()}
    return all(
        seen.owners.get((log, number)) == seen.owners[source, number]
        for source, log in pairs
        for number in range(counts[source])
    )


@pytest.fixture
def crew(kafka: KafkaCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Return an app without workers; the test's parameter says its streams."""
    each = Crew(kafka.bootstrap, f"assign{next(NUMBERS)}", tmp_path, request.param)
    yield each
    each.close()


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 12, "events": 6}], indirect=True)
def test_join_and_leave_move_a_share(crew: Crew) -> None:
    """From two to three workers and back: what the third gets moves, then what it had, and nothing else."""
    declaration = crew.declaration()
    crew.start("a", declaration)
    crew.start("b", declaration)
    two = crew.settled("a", "b")
    assert two.protocol == "streams-1"
    assert [share(two, name) for name in "ab"] == [9, 9]
    crew.start("c", declaration)
    three = crew.settled("a", "b", "c")
    assert [share(three, name) for name in "abc"] == [6, 6, 6]
    assert moved(two, three) == 6
    assert crew.workers["c"].stop() == 0
    back = crew.settled("a", "b")
    assert [share(back, name) for name in "ab"] == [9, 9]
    assert moved(three, back) == 6
    assert all(together(seen, crew) for seen in (two, three, back))


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 2}], indirect=True)
def test_idle_workers_stay_and_get_work(crew: Crew) -> None:
    """A worker without partitions is ready, stays in the group beyond the longest poll interval, and takes over."""
    declaration = crew.declaration()
    for name in "abc":
        crew.start(name, declaration, STREAMS_KAFKA_MAX_POLL_INTERVAL_MS="2000")
    before = crew.settled("a", "b", "c")
    (idle,) = [name for name in "abc" if share(before, name) == 0]
    (first, second) = [name for name in "abc" if name != idle]
    waited = iter(range(30))
    until(lambda: next(waited) == 29, "six seconds to pass", 30)
    assert crew.settled("a", "b", "c") == before
    crew.workers[first].kill()
    after = crew.settled(idle, second)
    assert [share(after, name) for name in (idle, second)] == [1, 1]
    assert moved(before, after) == 1


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 6}], indirect=True)
def test_a_rolling_restart_of_static_members_moves_nothing(crew: Crew) -> None:
    """With `group.instance.id` each worker in turn ends and comes back, at another address even: nothing moves."""
    declaration = crew.declaration()
    static = {"STREAMS_KAFKA_SESSION_TIMEOUT_MS": "45000"}
    for name in "abc":
        crew.start(name, declaration, STREAMS_KAFKA_GROUP_INSTANCE_ID=name, **static)
    seen = before = crew.settled("a", "b", "c")
    for name in "abc":
        assert crew.workers[name].stop() == 0
        crew.start(name, declaration, STREAMS_KAFKA_GROUP_INSTANCE_ID=name, **static)
        crew.workers[name].wait_ready()
        now = crew.settled("a", "b", "c")
        assert now.members != seen.members, "the restarted process is another member"
        assert now.owners == before.owners
        seen = now
    for name in "abc":
        peers = {peer["worker"] for peer in crew.workers[name].get("/api/v1/status")["data"]["workers"]}
        assert peers == {worker.url for worker in crew.workers.values()}


@pytest.mark.kafka
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("crew", [{"requests": 6}], indirect=True)
def test_a_rolling_upgrade_keeps_tables_with_their_source(crew: Crew, static: bool) -> None:  # noqa: FBT001 - pytest's
    """Two versions share the group: the new table's partitions are where its source is, or wait; in the end all are."""
    old, new = crew.declaration(), crew.declaration("added")
    more = {"STREAMS_KAFKA_SESSION_TIMEOUT_MS": "45000"} if static else {}
    ids = {name: {"STREAMS_KAFKA_GROUP_INSTANCE_ID": name} if static else {} for name in "ab"}
    for name in "ab":
        crew.start(name, old, **more, **ids[name])
    before = crew.settled("a", "b")
    crew.workers["a"].stop()
    crew.start("a", new, **more, **ids["a"]).wait_ready()
    until(lambda: _added(crew.settled("a", "b")), lambda: f"the new table to be placed\n{crew.said()}", 30)
    half = crew.settled("a", "b")
    assert together(half, crew)
    assert _added(half) == {
        number for (topic, number), name in half.owners.items() if topic.endswith("requests") and name == "a"
    }
    crew.workers["b"].stop()
    crew.start("b", new, **more, **ids["b"]).wait_ready()
    until(lambda: together(crew.settled("a", "b"), crew, "added"), lambda: f"all to be placed\n{crew.said()}", 30)
    if static:
        assert moved(before, crew.settled("a", "b")) == 0


def _added(seen: Seen) -> set[int]:
    return {number for topic, number in seen.owners if topic.endswith("-added-changelog")}
