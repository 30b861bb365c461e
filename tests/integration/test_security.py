"""TLS and SASL as a user sets them, against Apache Kafka: who has certificate and password gets in, nobody else."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.settings import KafkaSettings
from streams.transport.client import Client
from streams.transport.errors import Unreachable
from tests.brokers import BrokerUnavailable, KafkaCluster
from tests.conftest import _missing as missing

PASSWORD = "open sesame"  # noqa: S105 - made up for a broker that lives as long as this test
JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'username="ops" password="{PASSWORD}" user_ops="{PASSWORD}";'
)

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1 and its key, in one PEM file each."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kafka", "-days", "2"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(folder / "cert.pem")]
    subprocess.run([*command, "-keyout", str(folder / "key.pem")], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def secured(certificate: Path) -> Iterator[KafkaCluster]:
    """Return a broker that takes only TLS with user and password."""
    properties = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL",
        "listener.name.plaintext.plain.sasl.jaas.config": JAAS,
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate.with_name("both.pem")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificate),
    }
    cluster = None
    try:
        cluster = KafkaCluster(**properties)
        cluster.start()
    except BrokerUnavailable as error:
        if cluster is not None:
            cluster.stop()
        missing(f"NO APACHE KAFKA: {error}")
    else:
        yield cluster
        cluster.stop()


def settings(broker: KafkaCluster, certificate: Path, **changed: str) -> KafkaSettings:
    """Return the settings that get in, with some of them changed."""
    environ = {
        "STREAMS_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "STREAMS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAMS_KAFKA_SASL_MECHANISM": "PLAIN",
        "STREAMS_KAFKA_SASL_USERNAME": "ops",
        "STREAMS_KAFKA_SASL_PASSWORD": PASSWORD,
        "STREAMS_KAFKA_SSL_CA_LOCATION": str(certificate),
        "STREAMS_KAFKA_SOCKET_TIMEOUT_MS": "10000",
    }
    return KafkaSettings.read({}, environ | changed)


def test_a_record_goes_there_and_back(secured: KafkaCluster, certificate: Path) -> None:
    """Admin, producer and consumer of aiokafka get in with the same settings, and our own client too."""
    assert asyncio.run(there_and_back(settings(secured, certificate))) == b"secret"


async def there_and_back(given: KafkaSettings) -> Any:
    """Create a topic, produce a record and read it."""
    connection = given.aiokafka()
    client = await Client(connection).start()
    await client.stop()
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    await admin.create_topics([NewTopic("guarded", 1, 1)])
    await admin.close()
    async with aiokafka.AIOKafkaProducer(**connection) as producer:
        await producer.send_and_wait("guarded", b"secret")
    reading = {"auto_offset_reset": "earliest", **given.fetching()}
    async with aiokafka.AIOKafkaConsumer("guarded", **connection, **reading) as consumer:
        return (await asyncio.wait_for(consumer.getone(), 20)).value


@pytest.mark.parametrize(
    "changed",
    [
        {"STREAMS_KAFKA_SASL_PASSWORD": "wrong"},
        {"STREAMS_KAFKA_SSL_CA_LOCATION": ""},
        {
            "STREAMS_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "STREAMS_KAFKA_SASL_MECHANISM": "",
            "STREAMS_KAFKA_SASL_USERNAME": "",
            "STREAMS_KAFKA_SASL_PASSWORD": "",
            "STREAMS_KAFKA_SSL_CA_LOCATION": "",
        },
    ],
    ids=["wrong password", "untrusted certificate", "no encryption"],
)
def test_nobody_else_gets_in(secured: KafkaCluster, certificate: Path, changed: dict[str, str]) -> None:
    """A wrong password, a certificate that is not trusted, and plain text end in an error that names the broker."""
    given = settings(secured, certificate, **changed)
    with pytest.raises(Unreachable, match=secured.bootstrap):
        asyncio.run(Client(given.aiokafka()).start())
