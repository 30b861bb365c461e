"""Listening to the demo's alerts topic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

TOPIC = "demo-alerts"


@dataclass(frozen=True)
class Transition:
    """An alert that began to fire, or was resolved.

    Args:
        name: of the alert.
        status: firing or resolved.
        at: startsAt or endsAt, RFC 3339.
        summary: its annotation.
    """

    name: str
    status: str
    at: str
    summary: str

    @property
    def milliseconds(self) -> int:
        """Return `at` in ms since the epoch."""
        return int(datetime.fromisoformat(self.at).timestamp() * 1000)


class Alerts:
    """Reads the alerts topic from its beginning.

    Args:
        bootstrap: address of the broker.
        partitions: of the topic.
    """

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        self._partitions = [TopicPartition(TOPIC, number) for number in range(partitions)]
        self._seen: set[tuple[str, str, str]] = set()

    async def start(self) -> None:
        """Connect; the topic must exist."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def poll(self) -> AsyncIterator[Transition]:
        """Yield the transitions that came since the last call; one that was sent again comes once."""
        found = await self._consumer.getmany(timeout_ms=50)
        for records in found.values():
            for record in records:
                event = msgspec.json.decode(record.value)
                identity = (event["fingerprint"], event["startsAt"], event["status"])
                if identity not in self._seen:
                    self._seen.add(identity)
                    at = event["endsAt"] or event["startsAt"]
                    yield Transition(event["labels"]["alertname"], event["status"], at, event["annotations"]["summary"])
