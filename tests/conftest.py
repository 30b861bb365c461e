"""What all tests share: the brokers, and how tests that run side by side keep out of each other's way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from streams import embedded as embedded_broker
from streams.embedded import EmbeddedBroker, EmbeddedBrokerError
from tests.brokers import BrokerUnavailable, KafkaCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_configure() -> None:
    """Give each process of a parallel run ports of its own: one that a stopped broker will need again stays free."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    embedded_broker.PORTS = embedded_broker.PORTS[number::count]


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker for all tests; whoever stops it starts it again."""
    cluster = None
    try:
        cluster = KafkaCluster()
        cluster.start()
    except BrokerUnavailable as error:
        if cluster is not None:
            cluster.stop()
        _missing(f"NO APACHE KAFKA, its guarantees stay unproved here: {error}")
    else:
        yield cluster
        cluster.stop()


@pytest.fixture
def own_kafka() -> Iterator[Callable[..., KafkaCluster]]:
    """Start Apache Kafka clusters of one's own: `own_kafka(nodes, **server_properties)`; they end with the test."""
    started: list[KafkaCluster] = []

    def start(nodes: int = 1, **settings: str) -> KafkaCluster:
        try:
            started.append(KafkaCluster(nodes, **settings))
            return started[-1].start()
        except BrokerUnavailable as error:
            return _missing(f"NO APACHE KAFKA, its guarantees stay unproved here: {error}")

    yield start
    for cluster in started:
        cluster.stop()


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """One embedded broker for all tests."""
    broker = EmbeddedBroker()
    try:
        broker.start()
    except EmbeddedBrokerError as error:
        _missing(f"NO EMBEDDED BROKER: {error}")
    else:
        yield broker
        broker.stop()


def _missing(why: str) -> NoReturn:
    """Skip, but fail where CI=true promises that all is there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
