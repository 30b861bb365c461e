"""What lies at the end of a changelog, read without claiming it: which state a topic holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.transport import topics
from streams.transport.client import connection
from streams.transport.errors import TopicMissing, Unreachable
from tables.records import PROGRESS, Progress
from tables.shapes import Shape, shape_key

if TYPE_CHECKING:
    from streams.transport.client import Client

STEPS = (200, 50_000, 1 << 62)
"""How far from the end progress is looked for: each write ends with it, but claims may follow."""
POLL_MS = 1000


async def last_progress(client: Client, topic: str) -> Progress | None:
    """Return the last progress of any partition of a changelog; None if it holds no state or does not exist."""
    found = await _last(client, topic, PROGRESS, STEPS)
    return None if found is None else Progress.decode(found)


async def last_shape(client: Client, topic: str, number: int) -> Shape | None:
    """Return a shape of the state that a changelog holds; the whole log may have to be read for it."""
    found = await _last(client, topic, shape_key(number), STEPS[-1:])
    return None if found is None else Shape.decode(found)


async def _last(client: Client, topic: str, key: bytes, steps: tuple[int, ...]) -> bytes | None:
    try:
        count = await topics.partitions(client, topic)
    except TopicMissing:
        return None
    settings = connection(client.settings)
    consumer = AIOKafkaConsumer(**settings, group_id=None, enable_auto_commit=False, auto_offset_reset="none")
    try:
        await consumer.start()
        for partition in range(count):
            found = await _last_of(consumer, TopicPartition(topic, partition), key, steps)
            if found is not None:
                return found
    except (KafkaError, OSError) as error:
        raise Unreachable(f"topic {topic} at {client.address} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()
    return None


async def _last_of(consumer: AIOKafkaConsumer, tp: TopicPartition, key: bytes, steps: tuple[int, ...]) -> bytes | None:
    """Return the last value of a key in a partition, looking back step by step."""
    consumer.assign([tp])
    begin = (await consumer.beginning_offsets([tp]))[tp]
    end = (await consumer.end_offsets([tp]))[tp]
    for step in steps:
        start, found = max(begin, end - step), None
        consumer.seek(tp, start)
        while await consumer.position(tp) < end:
            batches = await consumer.getmany(tp, timeout_ms=POLL_MS)
            for record in batches.get(tp, ()):
                found = record.value if record.key == key else found
        if found is not None or start == begin:
            return found
    return None
