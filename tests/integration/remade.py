"""A topic that is deleted and made anew."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiokafka.admin import AIOKafkaAdminClient

from streams.transport import topics
from streams.transport.client import Client
from streams.transport.errors import TopicMissing

SECONDS = 30.0


async def remake(client: Client, topic: str) -> None:
    """Delete a topic and make it anew, compacted, with one partition."""
    admin = AIOKafkaAdminClient(**client.settings)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()
    await _gone(client, topic)
    await topics.ensure(client, topic, 1, {"cleanup.policy": "compact"})
    await client.refresh()


async def _gone(client: Client, topic: str) -> None:
    """Wait until the broker knows it no more, which it learns from the controller after it has answered."""
    end = time.monotonic() + SECONDS
    with suppress(TopicMissing):
        while await topics.partitions(client, topic):
            assert time.monotonic() < end, f"topic {topic} was not deleted in time"
            await asyncio.sleep(0.02)
