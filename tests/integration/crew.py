"""An app on Apache Kafka with workers that come and go, and who has which partitions, as the broker says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient

from tests.outside import create_topic, until
from tests.workers import Worker

SETTINGS = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
}
TABLE = "{{from: {stream}, key: host, standby: {standby}, aggregates: {{n: count()}}}}"

Owners = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Seen:
    """A group at one time, as the broker describes it.

    Args:
        members: ids that the broker gave; a new process has a new one.
        owners: (topic, partition) -> worker.
        protocol: name of the assignment protocol.
    """

    members: frozenset[str]
    owners: Owners
    protocol: str


class Crew:
    """One app on Apache Kafka and its workers.

    Args:
        bootstrap: address of the broker.
        app: the app's id.
        folder: for declarations, state and output.
        streams: name -> partitions of its topic.
        standby: followers of each partition.
    """

    def __init__(self, bootstrap: str, app: str, folder: Path, streams: Mapping[str, int], standby: int = 0) -> None:
        """Create the input topics."""
        self.standby = standby
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
        lines += [
            "tables:",
            *(f"  {name}: {TABLE.format(stream=stream, standby=self.standby)}" for name, stream in tables.items()),
        ]
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

    def rebalances(self, name: str) -> int:
        """Return how many assignments a worker has received."""
        metrics = self.workers[name].text("/metrics")
        return int(float(re.findall(r"^streams_rebalances_total (\S+)$", metrics, re.MULTILINE)[0]))

    def shares(self, names: str) -> list[int]:
        """Return how many partitions of inputs each of these workers has; none while one of them is not ready."""
        if not all(self.workers[name].ready() for name in names):
            return []
        seen = self._seen(self._describe())
        return [share(seen, name) for name in names]

    def followed(self, name: str) -> int:
        """Return how many table partitions a worker follows and could take over."""
        metrics = self.workers[name].text("/metrics")
        (found,) = re.findall(r'^streams_standby_partitions\{state="ready"\} (\S+)$', metrics, re.MULTILINE)
        return int(float(found))

    def known(self, name: str) -> set[str]:
        """Return the addresses of the workers that one of them knows."""
        return {each["worker"] for each in self.workers[name].get("/api/v1/status")["data"]["workers"]}

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
                if self.standby and topic["topic"].endswith("-changelog"):
                    continue  # the frame does not tell those that are followed from those that are worked on
                for partition in topic["partitions"]:
                    assert (topic["topic"], partition) not in owners, "two owners of a partition"
                    owners[topic["topic"], partition] = _worker(member)
        ids = frozenset(member["member_id"] for member in group["members"])
        return Seen(ids, owners, group["protocol_data"])


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
