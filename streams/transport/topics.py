"""Topics: how many partitions, which limits, and creating those that we own."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka.errors import IncompatibleBrokerVersion, TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from streams.transport.client import BACKOFF_SECONDS
from streams.transport.errors import Denied, PartitionMismatch, TopicMissing, TransportError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.transport.client import Client

log = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's default of max.message.bytes, taken where the broker does not tell."""
DELETE_RETENTION_MS = 86_400_000
"""Kafka's default of delete.retention.ms."""
_TOPIC = 2
_CREATE_SECONDS = 30.0


async def partitions(client: Client, topic: str) -> int:
    """Return how many partitions a topic has.

    Raises:
        TopicMissing: it does not exist; retrying is the caller's.
    """
    return len((await client.metadata(topic))["partitions"])


async def configs(client: Client, topic: str) -> dict[str, str]:
    """Return a topic's configuration, as far as the broker tells it.

    Raises:
        TopicMissing: it does not exist.
    """
    try:
        reply = await client.send(DescribeConfigsRequest([(_TOPIC, topic, None)]))
    except IncompatibleBrokerVersion:
        return {}
    code, message, _, _, entries = reply.resources[0]
    if code or not entries:
        await client.metadata(topic)  # says so where the topic is missing
    if code:
        why = message or for_code(code).__name__
        log.warning("topic %s: its configuration cannot be read (%s); Kafka's defaults are assumed", topic, why)
        return {}
    return {entry[0]: entry[1] for entry in entries if entry[1] is not None}


async def max_message_bytes(client: Client, topic: str) -> int:
    """Return the largest record batch, in bytes, that a topic takes."""
    return int((await configs(client, topic)).get("max.message.bytes", MAX_MESSAGE_BYTES))


async def delete_retention_seconds(client: Client, topic: str) -> float:
    """Return how long a topic keeps tombstones, in seconds."""
    return int((await configs(client, topic)).get("delete.retention.ms", DELETE_RETENTION_MS)) / 1000


async def retention_seconds(client: Client, topic: str) -> float | None:
    """Return after how many seconds a topic's records are deleted, whatever their key; None for never, or not told."""
    told = await configs(client, topic)
    kept = int(told.get("retention.ms", -1))
    return kept / 1000 if "delete" in told.get("cleanup.policy", "") and kept >= 0 else None


async def replication(client: Client) -> int:
    """Return the default count of copies: 1 on one broker, else 3, or 2 on two."""
    if client.raw.cluster.brokers() == set():
        await client.raw.force_metadata_update()
    return max(1, min(3, len(client.raw.cluster.brokers())))


async def ensure(
    client: Client,
    topic: str,
    count: int,
    settings: Mapping[str, str] | None = None,
    copies: int | None = None,
) -> bool:
    """Create a topic of ours unless it exists, and see that it has the partitions that it must have.

    Args:
        client: a started client.
        topic: its name.
        count: of partitions.
        settings: topic configuration; `min.insync.replicas` is 2 by default where there are 3 copies.
        copies: replication factor; None takes the default of `replication`.

    Returns:
        Whether it was created now.

    Raises:
        PartitionMismatch: it exists with another number of partitions.
        Denied: this user may not create it.
        TransportError: the broker refuses for another reason.
    """
    try:
        found = await partitions(client, topic)
    except TopicMissing:
        await _create(client, topic, count, dict(settings or {}), copies or await replication(client))
        await _wait(client, topic)
        found, created = await partitions(client, topic), True
    else:
        created = False
    if found != count:
        raise PartitionMismatch(
            f"topic {topic!r} must have {count} partitions (as the topics it goes with), but has {found}: "
            f"delete it, so that it is created anew and its state is rebuilt, or bring the counts together"
        )
    return created


async def _create(client: Client, topic: str, count: int, settings: dict[str, str], copies: int) -> None:
    if copies >= 3:  # noqa: PLR2004 - three copies stay writable with one of them lost
        settings.setdefault("min.insync.replicas", "2")
    request = CreateTopicsRequest([(topic, count, copies, [], list(settings.items()))], 15_000, validate_only=False)
    controller = client.raw.cluster.controller
    reply = await client.send(request, controller.nodeId if controller else None)
    _, code, *rest = reply.topic_errors[0]
    error = for_code(code)
    if code == 0 or error is TopicAlreadyExistsError:
        return
    kind = Denied if "Authorization" in error.__name__ else TransportError
    why = rest[0] if rest and rest[0] else error.__name__
    raise kind(f"topic {topic!r} ({count} partitions, {copies} copies) cannot be created at {client.address}: {why}")


async def _wait(client: Client, topic: str) -> None:
    """Return when every broker knows a fresh topic, with a leader for each partition."""
    until = time.monotonic() + _CREATE_SECONDS
    while not await _known(client, topic):
        if time.monotonic() > until:
            seconds = f"{_CREATE_SECONDS:.0f} s"
            raise Unreachable(f"topic {topic!r} was created at {client.address}, but has no leader after {seconds}")
        await asyncio.sleep(BACKOFF_SECONDS)


async def _known(client: Client, topic: str) -> bool:
    for broker in client.raw.cluster.brokers():
        try:
            found = await client.metadata(topic, broker.nodeId)
        except TopicMissing:
            return False
        except Unreachable:
            continue  # a broker that is down need not know it
        if not all(part["leader"] >= 0 for part in found["partitions"]):
            return False
    return True
