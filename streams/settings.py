"""What a worker needs to know besides the declaration: how to reach Kafka, where to keep state, where to listen.

Kafka's settings go by librdkafka's names, in the declaration's `kafka:` section or in the environment:
`session.timeout.ms` is `STREAMS_KAFKA_SESSION_TIMEOUT_MS`. Secrets may lie in files:
`STREAMS_KAFKA_SASL_PASSWORD_FILE` names one.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from streams.option_types import MAX_PORT, choice, flag, number, secrets, servers, size, text
from streams.options import Problem, Secret, Settings, SettingsError, option

ANSWER_BYTES = 8 << 20
"""Most bytes of one fetch, over all partitions."""
FETCH_BYTES = 3 << 19
"""What an answer holds of one partition, unless the user says otherwise."""


@dataclass(frozen=True, kw_only=True)
class KafkaSettings(Settings):
    """How Kafka is reached and asked, by librdkafka's names; times in ms, sizes in bytes."""

    bootstrap_servers: tuple[str, ...] = option(
        "bootstrap.servers", servers, "localhost:9092", "Brokers to ask first, host:port separated by commas.",
        aliases=("metadata.broker.list",), environment=("BROKER_URL",),
    )  # fmt: skip
    client_id: str | None = option(
        "client.id", text, None, "Name in the broker's logs and quotas; the app's id if unset.",
        environment=("BROKER_CLIENT_ID",),
    )  # fmt: skip
    security_protocol: str = option(
        "security.protocol", choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "PLAINTEXT",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    )  # fmt: skip
    sasl_mechanism: str | None = option(
        "sasl.mechanism", choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), None,
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; needed with SASL.", aliases=("sasl.mechanisms",),
    )  # fmt: skip
    sasl_username: str | None = option("sasl.username", text, None, "User for SASL.")
    sasl_password: Secret | None = option("sasl.password", Secret, None, "Password for SASL.", secret=True)
    ssl_ca_location: Path | None = option(
        "ssl.ca.location", Path, None, "Certificates to trust (PEM); the system's if unset."
    )
    ssl_certificate_location: Path | None = option(
        "ssl.certificate.location", Path, None, "Our own certificate (PEM), for mutual TLS."
    )
    ssl_key_location: Path | None = option("ssl.key.location", Path, None, "The key of our certificate (PEM).")
    ssl_key_password: Secret | None = option("ssl.key.password", Secret, None, "Password of that key.", secret=True)
    ssl_endpoint_identification_algorithm: str = option(
        "ssl.endpoint.identification.algorithm", choice("https", "none"), "https",
        "https: the broker's certificate must name its host; none: any host will do.",
    )  # fmt: skip
    auto_offset_reset: str = option(
        "auto.offset.reset",
        choice("earliest", "latest", smallest="earliest", beginning="earliest", largest="latest", end="latest"),
        "earliest", "Where an input is read from when the app has no offset for it: earliest or latest.",
        environment=("CONSUMER_AUTO_OFFSET_RESET",),
    )  # fmt: skip
    auto_commit_interval_ms: int = option(
        "auto.commit.interval.ms", number(10), "1000", "Time between two commits of what is done."
    )
    session_timeout_ms: int = option(
        "session.timeout.ms", number(100), "10000", "Silence after which the group gives a worker's partitions away."
    )
    heartbeat_interval_ms: int = option("heartbeat.interval.ms", number(10), "1000", "Time between two heartbeats.")
    max_poll_interval_ms: int = option(
        "max.poll.interval.ms", number(1000), "300000", "Longest time between two fetches before leaving the group."
    )
    rebalance_timeout_ms: int = option(
        "rebalance.timeout.ms", number(100), "60000", "Longest time that a rebalance waits for us (our own name)."
    )
    group_instance_id: str | None = option(
        "group.instance.id", text, None, "Static membership: a restart within the session moves no partition.",
        environment=("CONSUMER_GROUP_INSTANCE_ID",),
    )  # fmt: skip
    fetch_min_bytes: int = option("fetch.min.bytes", number(1), "1", "Least bytes that a fetch waits for.")
    fetch_wait_max_ms: int = option("fetch.wait.max.ms", number(0), "500", "Longest time that it waits for them.")
    fetch_max_bytes: int = option("fetch.max.bytes", number(1024), str(ANSWER_BYTES), "Most bytes of one fetch.")
    max_partition_fetch_bytes: int = option(
        "max.partition.fetch.bytes", number(1024), str(FETCH_BYTES),
        "Most bytes of one fetch from one partition; the default is raised, up to four times, where a worker has fewer "
        "than four, or more than eight.",
        aliases=("fetch.message.max.bytes",),
    )  # fmt: skip
    max_batch_bytes: int = option(
        "max.batch.bytes", number(1 << 20), str(64 << 20),
        "Most bytes that the records of one fetched batch may take when they are decompressed (our own name).",
    )  # fmt: skip
    compression_type: str = option(
        "compression.type", choice("none", "gzip", "snappy", "lz4", "zstd"), "none",
        "Compression of what we produce: none, gzip, snappy, lz4 or zstd.", aliases=("compression.codec",),
    )  # fmt: skip
    socket_timeout_ms: int = option(
        "socket.timeout.ms", number(1000), "60000", "Time that a request to a broker may take.",
        aliases=("request.timeout.ms",),
    )  # fmt: skip
    partitions: int | None = option(
        "partitions", number(1, 100_000), None, "Partitions of topics we create; the source's if unset (our own name)."
    )
    replication_factor: int | None = option(
        "replication.factor", number(1, 32_767), None,
        "Copies of topics we create; if unset 1 on a single broker, else 3 (our own name).",
    )  # fmt: skip
    min_insync_replicas: int | None = option(
        "min.insync.replicas", number(1, 32_767), None,
        "Copies that must have a write before it counts; if unset 2 with three replicas (our own name).",
    )  # fmt: skip

    @classmethod
    def prefix(cls) -> str:
        """Return what our environment variables of Kafka settings begin with."""
        return "STREAMS_KAFKA_"

    @classmethod
    def section(cls) -> str:
        """Return the section of the declaration."""
        return "kafka"

    @property
    def uses_sasl(self) -> bool:
        """Whether the security protocol authenticates by SASL."""
        return self.security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        """Whether the security protocol encrypts."""
        return self.security_protocol.endswith("SSL")

    def check(self) -> Iterator[Problem]:
        """Yield settings that contradict each other."""
        yield from self._check_sasl()
        yield from self._check_tls()
        yield from self._check_sizes()

    def aiokafka(self) -> dict[str, Any]:
        """Return the arguments that every client of aiokafka takes: consumer, producer, admin."""
        made: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "security_protocol": self.security_protocol,
            "request_timeout_ms": self.socket_timeout_ms,
        }
        if self.client_id:
            made["client_id"] = self.client_id
        if self.uses_tls:
            made["ssl_context"] = self.ssl_context()
        if self.uses_sasl and self.sasl_password:
            made["sasl_mechanism"] = self.sasl_mechanism
            made["sasl_plain_username"] = self.sasl_username
            made["sasl_plain_password"] = self.sasl_password.reveal()
        return made

    def fetching(self) -> dict[str, Any]:
        """Return the arguments by which a consumer of aiokafka fetches."""
        return {
            "fetch_min_bytes": self.fetch_min_bytes,
            "fetch_max_wait_ms": self.fetch_wait_max_ms,
            "fetch_max_bytes": self.fetch_max_bytes,
            "max_partition_fetch_bytes": self.max_partition_fetch_bytes,
        }

    def faust(self) -> dict[str, Any]:
        """Return the settings of a `faust.App`; its times are in seconds."""
        made: dict[str, Any] = {
            "broker": ";".join(f"kafka://{server}" for server in self.bootstrap_servers),
            "broker_credentials": self._credentials(),
            "broker_client_id": self.client_id,
            "broker_commit_interval": self.auto_commit_interval_ms / 1000,
            "broker_session_timeout": self.session_timeout_ms / 1000,
            "broker_heartbeat_interval": self.heartbeat_interval_ms / 1000,
            "broker_max_poll_interval": self.max_poll_interval_ms / 1000,
            "broker_rebalance_timeout": self.rebalance_timeout_ms / 1000,
            "broker_request_timeout": self.socket_timeout_ms / 1000,
            "consumer_auto_offset_reset": self.auto_offset_reset,
            "consumer_group_instance_id": self.group_instance_id,
            "consumer_max_fetch_size": self.max_partition_fetch_bytes,
            "producer_acks": -1,
            "producer_compression_type": None if self.compression_type == "none" else self.compression_type,
            "producer_request_timeout": self.socket_timeout_ms / 1000,
            "topic_partitions": self.partitions,
            "topic_replication_factor": self.replication_factor,
        }
        return {name: value for name, value in made.items() if value is not None}

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts, and shows, what the settings name.

        Raises:
            OSError: a file cannot be read or is no PEM (ssl.SSLError is one).
        """
        context = ssl.create_default_context(cafile=self.ssl_ca_location)
        context.check_hostname = self.ssl_endpoint_identification_algorithm == "https"
        if self.ssl_certificate_location:
            password = self.ssl_key_password.reveal() if self.ssl_key_password else ""
            context.load_cert_chain(self.ssl_certificate_location, self.ssl_key_location, password)
        return context

    def _credentials(self) -> Any:
        from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - checking a file needs no Faust

        if self.uses_sasl and self.sasl_password:
            return SASLCredentials(
                username=self.sasl_username,
                password=self.sasl_password.reveal(),
                mechanism=self.sasl_mechanism,
                ssl_context=self.ssl_context() if self.uses_tls else None,
            )
        return SSLCredentials(self.ssl_context()) if self.uses_tls else None

    def _check_sasl(self) -> Iterator[Problem]:
        for name in ("sasl.mechanism", "sasl.username", "sasl.password"):
            given = getattr(self, name.replace(".", "_"))
            if self.uses_sasl and given is None:
                yield self.problem(name, f"is needed with security.protocol {self.security_protocol}")
            if given is not None and not self.uses_sasl:
                hint = "set security.protocol to SASL_SSL"
                yield self.problem(name, f"is set, but security.protocol is {self.security_protocol}; {hint}")

    def _check_tls(self) -> Iterator[Problem]:
        usable = self.uses_tls
        for name in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"):
            path = getattr(self, name.replace(".", "_"))
            if path is not None and not self.uses_tls:
                message = f"is set, but security.protocol is {self.security_protocol}; use SSL or SASL_SSL"
                yield self.problem(name, message)
            elif path is not None and not path.is_file():
                usable = False
                yield self.problem(name, f"{str(path)!r} is not a file that can be read")
        if self.ssl_key_location and not self.ssl_certificate_location:
            yield self.problem("ssl.key.location", "is set without ssl.certificate.location")
        if usable:
            yield from self._check_context()

    def _check_context(self) -> Iterator[Problem]:
        try:
            self.ssl_context()
        except OSError as error:
            yield self.problem("security.protocol", f"{self.security_protocol}: the TLS files cannot be used: {error}")

    def _check_sizes(self) -> Iterator[Problem]:
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            message = f"{self.heartbeat_interval_ms} must be less than session.timeout.ms {self.session_timeout_ms}"
            yield self.problem("heartbeat.interval.ms", f"{message}; a third of it is usual")
        if self.session_timeout_ms > self.socket_timeout_ms:
            message = f"{self.session_timeout_ms} must not be more than socket.timeout.ms {self.socket_timeout_ms}"
            yield self.problem("session.timeout.ms", message)
        if self.max_partition_fetch_bytes > self.fetch_max_bytes:
            message = f"{self.max_partition_fetch_bytes} must not be more than fetch.max.bytes {self.fetch_max_bytes}"
            yield self.problem("max.partition.fetch.bytes", message)
        if (self.min_insync_replicas or 1) > (self.replication_factor or self.min_insync_replicas or 1):
            message = f"{self.min_insync_replicas} must not be more than replication.factor {self.replication_factor}"
            yield self.problem("min.insync.replicas", message)


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(Settings):
    """Where a worker keeps its state and where it listens; from the environment only."""

    data_dir: Path | None = option(
        "data.dir", Path, None, "Directory of this worker's state; `<app>-data` in the working directory if unset.",
        environment=("APP_DATADIR", "FAUST_DATADIR", "F_DATADIR"),
    )  # fmt: skip
    state_memory: int | None = option(
        "state.memory", size(1), None,
        "Memory for open cells and the buffers of the local stores, such as `512MiB`: cells beyond it are in the local "
        "stores only. If unset, all open cells are in memory.",
    )  # fmt: skip
    web_bind: str = option(
        "web.bind", text, "127.0.0.1", "Address that the web server listens on.", environment=("WEB_BIND",)
    )
    web_port: int = option(
        "web.port", number(1, MAX_PORT), "6066", "Port that the web server listens on.",
        environment=("WEB_PORT", "FAUST_WEB_PORT", "F_WEB_PORT"),
    )  # fmt: skip
    web_host: str | None = option(
        "web.host", text, None, "Host by which other workers reach this one; if unset the address it listens on.",
        environment=("WEB_HOST",),
    )  # fmt: skip
    web_tokens: tuple[Secret, ...] = option(
        "web.tokens", secrets, "", "Bearer tokens that may read the views, separated by commas; none: all may read.",
        secret=True,
    )  # fmt: skip
    service_token: Secret | None = option(
        "service.token", Secret, None, "Token that workers show each other; the same for all workers of an app.",
        secret=True,
    )  # fmt: skip
    web_insecure: bool = option(
        "web.insecure", flag, "false", "Allow listening beyond this machine without tokens (behind a guarding proxy)."
    )

    @property
    def loopback(self) -> bool:
        """Whether the web server is reached from this machine only."""
        return _is_loopback(self.web_bind)

    @property
    def advertised_host(self) -> str:
        """Return the host by which other workers reach this one."""
        if self.web_host:
            return self.web_host
        return socket.gethostname() if self.web_bind in {"0.0.0.0", "::"} else self.web_bind  # noqa: S104 - asked, not bound

    def directory(self, app: str) -> Path:
        """Return the directory of the state of `app`."""
        return self.data_dir or Path(f"{app}-data")

    def check(self) -> Iterator[Problem]:
        """Yield an open door that was not asked for."""
        if not self.loopback and not self.web_insecure and not (self.web_tokens and self.service_token):
            yield self.problem(
                "web.bind",
                f"{self.web_bind} is reached from other machines: set {self.variable('web.tokens')} and "
                f"{self.variable('service.token')} (or their _FILE), or {self.variable('web.insecure')}=true",
            )


def _is_loopback(bind: str) -> bool:
    if bind == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False


def kafka_settings(app: str, given: Mapping[str, str], environ: Mapping[str, str]) -> KafkaSettings:
    """Return the Kafka settings of `app`: the declaration's section and the environment, which wins.

    Args:
        app: the app's id, which is the client id unless one is set.
        given: the declaration's `kafka:` section.
        environ: environment variables.

    Raises:
        SettingsError: with every mistake found.
    """
    read = KafkaSettings.read(given, environ)
    return read if read.client_id else replace(read, client_id=app)


def read_settings(
    app: str, given: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[KafkaSettings, WorkerSettings]:
    """Return all settings of a worker of `app`; see `kafka_settings`.

    Raises:
        SettingsError: with every mistake found in both groups.
    """
    problems: list[Problem] = []
    kafka, worker = KafkaSettings(), WorkerSettings()
    try:
        kafka = kafka_settings(app, given, environ)
    except SettingsError as error:
        problems += error.problems
    try:
        worker = WorkerSettings.read({}, environ)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    return kafka, worker
