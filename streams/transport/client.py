"""One connection to the cluster, shared by everything that does not consume: metadata, requests, coordinators."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    BrokerResponseError,
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from streams.transport import pieces
from streams.transport import versions as _versions  # noqa: F401 - its import is the check
from streams.transport.errors import Denied, TopicMissing, TransportError, Unreachable
from streams.transport.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDED_CLUSTER = "ops-streams-embedded"
"""The cluster id of the embedded broker, by which it is recognised."""
BACKOFF_SECONDS = 0.1
_NOT_YET = (ConcurrentTransactions, CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)
_CLIENT_SETTINGS = frozenset(
    {
        "bootstrap_servers",
        "client_id",
        "metadata_max_age_ms",
        "request_timeout_ms",
        "retry_backoff_ms",
        "connections_max_idle_ms",
        "security_protocol",
        "ssl_context",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    }
)


_CLOSING: set[asyncio.Future[None]] = set()
"""Clients that are being closed: the event loop itself does not hold them."""


def connection(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings that say how to connect, which every aiokafka client understands."""
    return {name: value for name, value in settings.items() if name in _CLIENT_SETTINGS}


class Client:
    """Requests to a Kafka cluster, over one connection per broker.

    Args:
        settings: aiokafka's connection arguments: `bootstrap_servers`, `client_id`, `security_protocol`, ...
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings; nothing is connected yet."""
        self.settings = connection(settings)
        self.cluster_id = ""
        self._client: AIOKafkaClient | None = None
        self._senders: dict[int, Sender] = {}

    @property
    def address(self) -> str:
        """The configured broker addresses as text."""
        servers = self.settings.get("bootstrap_servers", "localhost:9092")
        return servers if isinstance(servers, str) else ",".join(servers)

    @property
    def connected(self) -> bool:
        """Whether `start` succeeded; a broker that goes away later is sought again by every request."""
        return self._client is not None

    @property
    def embedded(self) -> bool:
        """Whether the cluster is the embedded broker, which cannot fence."""
        return self.cluster_id == EMBEDDED_CLUSTER

    @property
    def raw(self) -> AIOKafkaClient:
        """The aiokafka client underneath.

        Raises:
            Unreachable: it is not started.
        """
        if self._client is None:
            raise Unreachable(f"not connected to Kafka at {self.address}: start the client first")
        return self._client

    async def start(self) -> Client:
        """Connect and learn the cluster.

        Raises:
            Unreachable: no broker answered; retrying is the caller's.
        """
        client = self._client = AIOKafkaClient(**self.settings)
        try:
            await client.bootstrap()
            reply = await self.send(MetadataRequest([]))
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unreachable(f"no Kafka broker answers at {self.address}: {error}") from error
        except BaseException:
            await self.stop()
            raise
        self.cluster_id = getattr(reply, "cluster_id", None) or ""
        return self

    async def stop(self) -> None:
        """Close the connections; that goes on if the caller is cancelled.

        aiokafka takes a cancellation that comes while it closes for that of a task of its own, and it would be lost.
        """
        client, self._client = self._client, None
        if client is not None:
            closing = asyncio.ensure_future(client.close())
            _CLOSING.add(closing)
            closing.add_done_callback(_CLOSING.discard)
            await asyncio.shield(closing)

    async def send(self, request: Any, node: int | None = None) -> Any:
        """Send a request to a broker, any one unless named, and return its response.

        Raises:
            Unreachable: it did not answer.
        """
        if node is None:
            node = self.raw.get_random_node()
        try:
            return await self.raw.send("bootstrap" if node is None else node, request)
        except IncompatibleBrokerVersion:
            raise
        except (KafkaError, OSError) as error:
            raise Unreachable(f"Kafka at {self.address} did not answer {type(request).__name__}: {error!r}") from error

    def widen(self) -> None:
        """Let the connections receive large answers in few pieces; see `pieces.widen`."""
        pieces.widen(self.raw)

    async def produce(self, node: int, topic: str, partition: int, batch: bytes, seconds: float) -> tuple[int, int]:
        """Send a record batch to the broker that leads a partition; see `Sender.send`."""
        sender = self._senders.get(node)
        if sender is None:
            sender = self._senders[node] = Sender(lambda request: self.raw.send(node, request))
        return await sender.send(topic, partition, batch, seconds)

    async def topics(self) -> set[str]:
        """Return the names of all topics that this user may see."""
        reply = await self.send(MetadataRequest(None))
        return {topic["topic"] for topic in reply.to_object()["topics"]}

    async def metadata(self, topic: str, node: int | None = None) -> Any:
        """Return what a broker, any one unless named, says about one topic now, as aiokafka's decoded object.

        Raises:
            TopicMissing: it does not exist.
            Denied: this user may not see it.
        """
        reply = await self.send(MetadataRequest([topic], allow_auto_topic_creation=False), node)
        found = reply.to_object()["topics"][0]
        name = for_code(found["error_code"]).__name__
        if name in {"UnknownTopicOrPartitionError", "InvalidTopicError"}:
            raise TopicMissing(f"topic {topic!r} does not exist at {self.address}: create it, or correct its name")
        if name == "TopicAuthorizationFailedError":
            raise Denied(f"this user may not describe topic {topic!r} at {self.address}")
        return found

    async def leader(self, topic: str, partition: int) -> int | None:
        """Return the node that leads a partition, or None while nobody is known to do so."""
        cluster = self.raw.cluster
        if topic not in cluster.topics():
            try:
                await self.metadata(topic)  # aiokafka's own metadata requests create what is missing, where brokers may
            except (TopicMissing, Unreachable):
                return None
            self.raw.add_topic(topic)
            await self.refresh()
        node = cluster.leader_for_partition(TopicPartition(topic, partition))
        return None if node is None or node < 0 else int(node)

    async def partition_count(self, topic: str) -> int:
        """Return how many partitions a topic has, as the cluster said in the last minutes.

        Raises:
            TopicMissing: it does not exist.
        """
        found = self.raw.cluster.partitions_for_topic(topic)
        if not found:
            count = len((await self.metadata(topic))["partitions"])
            self.raw.add_topic(topic)
            return count
        return len(found)

    async def refresh(self, seconds: float = 2.0) -> None:
        """Learn the leaders anew, if a broker answers in time."""
        await asyncio.wait([self.raw.force_metadata_update()], timeout=seconds)

    async def init_producer(self, transactional_id: str | None, seconds: float = 60.0) -> tuple[int, int] | None:
        """Take a transactional id over: whoever held it before has an older epoch from now on.

        Args:
            transactional_id: the id; None for a producer id that nobody had.
            seconds: how long to try while the coordinator is not ready.

        Returns:
            (producer id, epoch), or None where the broker cannot do it (the embedded one).

        Raises:
            Denied: this user may not use the id.
            TransportError: the coordinator refused, or was not ready in time.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                reply = await self._ask_coordinator(transactional_id)
            except IncompatibleBrokerVersion:
                return None
            except (KafkaError, OSError) as error:
                reply, failure = None, error
            else:
                if reply.error_code == 0:
                    return int(reply.producer_id), int(reply.producer_epoch)
                failure = for_code(reply.error_code)()
                if self.embedded:
                    return None
                self._refuse(failure, transactional_id)
            if time.monotonic() > until:
                raise Unreachable(f"no coordinator for {transactional_id!r} at {self.address}: {failure!r}")
            await asyncio.sleep(BACKOFF_SECONDS)

    async def _ask_coordinator(self, transactional_id: str | None) -> Any:
        raw = self.raw
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000)
        if transactional_id is None:
            return await raw.send(raw.get_random_node(), request)
        node = await raw.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
        return await raw.send(node, request, group=ConnectionGroup.COORDINATION)

    def _refuse(self, failure: BrokerResponseError, transactional_id: str | None) -> None:
        if isinstance(failure, _NOT_YET) or failure.retriable:
            return
        kind = Denied if "Authorization" in type(failure).__name__ else TransportError
        raise kind(f"Kafka at {self.address} refuses producer id for {transactional_id!r}: {failure!r}")
