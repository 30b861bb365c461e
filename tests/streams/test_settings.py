"""Settings: librdkafka's names from the file, the environment above it, every mistake at once, secrets never shown."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import aiokafka
import faust
import pytest
from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import SASLMechanism

from streams.options import Secret, SettingsError
from streams.settings import KafkaSettings, WorkerSettings, kafka_settings, read_settings

PASSWORD = "open sesame"  # noqa: S105 - made up, to look for in what is printed
SASL = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "ops",
    "sasl.password": PASSWORD,
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=kafka", "-days", "2", "-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run(command, check=True, capture_output=True)
    return made


def mistakes(given: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> list[str]:
    """Return the mistakes in Kafka settings, as text."""
    with pytest.raises(SettingsError) as caught:
        KafkaSettings.read(given or {}, environ or {})
    return [str(problem) for problem in caught.value.problems]


def test_defaults_are_the_documented_ones() -> None:
    """An empty section is a broker on this machine, commits every second, sessions of ten seconds, from the start."""
    settings = kafka_settings("ops", {}, {})
    assert settings.bootstrap_servers == ("localhost:9092",)
    assert (settings.auto_commit_interval_ms, settings.session_timeout_ms) == (1000, 10_000)
    assert settings.auto_offset_reset == "earliest"
    assert settings.client_id == "ops"
    assert (settings.partitions, settings.replication_factor, settings.min_insync_replicas) == (None, None, None)


def test_environment_beats_file_and_ours_beats_other_programs() -> None:
    """STREAMS_KAFKA_* comes before Faust's BROKER_URL, which comes before the file."""
    given = {"bootstrap.servers": "file:1"}
    faust_way = {"BROKER_URL": "kafka://other:2;kafka://[::1]:3"}
    ours = {"STREAMS_KAFKA_BOOTSTRAP_SERVERS": "ours:4, second"}
    assert KafkaSettings.read(given, {}).bootstrap_servers == ("file:1",)
    assert KafkaSettings.read(given, faust_way).bootstrap_servers == ("other:2", "[::1]:3")
    assert KafkaSettings.read(given, faust_way | ours).bootstrap_servers == ("ours:4", "second:9092")


def test_an_empty_variable_is_unset() -> None:
    """Compose files pass variables on that nobody set: those say nothing."""
    settings = KafkaSettings.read({"session.timeout.ms": "7000"}, {"STREAMS_KAFKA_SESSION_TIMEOUT_MS": ""})
    assert settings.session_timeout_ms == 7000


def test_aliases_of_librdkafka_are_read() -> None:
    """Names and values that librdkafka takes as equal are equal here."""
    settings = KafkaSettings.read({"compression.codec": "LZ4", "auto.offset.reset": "largest"}, {})
    assert (settings.compression_type, settings.auto_offset_reset) == ("lz4", "latest")


def test_every_mistake_is_reported_at_once_with_place_value_and_fix() -> None:
    """A wrong value, an unknown name and a misspelt variable come together, each with where it was read."""
    found = mistakes(
        {"session.timeout": "10000", "partitions": "many", "bootstrap.servers": "a:99999"},
        {"STREAMS_KAFKA_CLIENTID": "x", "STREAMS_KAFKA_AUTO_OFFSET_RESET": "newest"},
    )
    assert found == [
        "STREAMS_KAFKA_CLIENTID: unknown variable; did you mean 'STREAMS_KAFKA_CLIENT_ID'?",
        "STREAMS_KAFKA_AUTO_OFFSET_RESET: 'newest' is not one of earliest, latest",
        "kafka.bootstrap.servers: 'a:99999' holds 'a:99999', which is not host:port",
        "kafka.partitions: 'many' is not a whole number from 1 to 100000",
        "kafka.session.timeout: unknown setting 'session.timeout'; did you mean 'session.timeout.ms'?",
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"heartbeat.interval.ms": "10000"}, "heartbeat.interval.ms"),
        ({"session.timeout.ms": "61000"}, "session.timeout.ms"),
        ({"max.partition.fetch.bytes": "60000000"}, "max.partition.fetch.bytes"),
        ({"replication.factor": "1", "min.insync.replicas": "2"}, "min.insync.replicas"),
        ({"sasl.username": "ops"}, "sasl.username"),
        ({"ssl.ca.location": "ca.pem"}, "ssl.ca.location"),
        ({"security.protocol": "SSL", "ssl.ca.location": "no/such.pem"}, "ssl.ca.location"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, str], name: str) -> None:
    """What no single value shows is found when the settings are put together."""
    assert [line.split(":")[0] for line in mistakes(given)] == [f"kafka.{name}"]


def test_sasl_needs_mechanism_user_and_password() -> None:
    """A protocol with SASL names each of the three settings that it misses."""
    found = mistakes({"security.protocol": "sasl_ssl"})
    names = ("mechanism", "password", "username")
    assert [line.split(":")[0] for line in found] == [f"kafka.sasl.{name}" for name in names]


def test_a_file_is_checked_without_its_environment() -> None:
    """A declaration whose password comes from the environment has no mistake of its own."""
    given = {name: value for name, value in SASL.items() if name != "sasl.password"}
    assert KafkaSettings.mistakes(given) == []
    assert [problem.name for problem in KafkaSettings.mistakes(given | {"partitions": "0"})] == ["partitions"]


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    """NAME_FILE names a file whose content, without the final newline, is the secret."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    given = {name: value for name, value in SASL.items() if name != "sasl.password"}
    settings = KafkaSettings.read(given, {"STREAMS_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.sasl_password == Secret(PASSWORD)


def test_secret_files_that_cannot_be_used_are_mistakes(tmp_path: Path) -> None:
    """A missing file, an empty file and a variable beside its file are refused, by name."""
    (tmp_path / "empty").touch()
    name = "STREAMS_KAFKA_SASL_PASSWORD"
    missing = mistakes(SASL, {f"{name}_FILE": str(tmp_path / "missing")})
    empty = mistakes(SASL, {f"{name}_FILE": str(tmp_path / "empty")})
    both = mistakes(SASL, {f"{name}_FILE": "x", name: "y"})
    assert missing[0].startswith(f"{name}: cannot be read from {name}_FILE=")
    assert empty[0].startswith(f"{name}: is empty in {name}_FILE=")
    assert both == [f"{name}: is set, and {name}_FILE too; unset one of them"]


def test_secrets_never_show() -> None:
    """Neither repr nor str nor a mistake holds a password, not even one inside a URL."""
    settings = KafkaSettings.read(SASL, {})
    assert PASSWORD not in repr(settings) + str(settings) + f"{settings.sasl_password}"
    assert "hunter2" not in "".join(mistakes(environ={"BROKER_URL": "kafka://me:hunter2@broker:9092"}))


def test_aiokafka_takes_the_settings() -> None:
    """The arguments are aiokafka's own, with TLS context and SASL."""
    made = KafkaSettings.read(SASL, {}).aiokafka()
    assert made["sasl_mechanism"] == "SCRAM-SHA-512"
    assert made["sasl_plain_password"] == PASSWORD
    assert isinstance(made["ssl_context"], ssl.SSLContext)
    for client in (aiokafka.AIOKafkaConsumer, aiokafka.AIOKafkaProducer):
        known = client.__init__.__code__.co_varnames
        assert made.keys() <= set(known)
    assert KafkaSettings().fetching().keys() <= set(aiokafka.AIOKafkaConsumer.__init__.__code__.co_varnames)


def test_faust_takes_the_settings() -> None:
    """A faust.App with these settings has them in its own units and types."""
    read = KafkaSettings.read(SASL | {"bootstrap.servers": "a:1,b:2", "compression.type": "lz4"}, {})
    conf = faust.App("ops", **read.faust()).conf
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert (conf.broker_commit_interval, conf.broker_session_timeout) == (1.0, 10.0)
    assert isinstance(conf.broker_credentials, SASLCredentials)
    assert conf.broker_credentials.mechanism is SASLMechanism.SCRAM_SHA_512
    assert conf.broker_credentials.protocol.value == "SASL_SSL"
    assert conf.producer_compression_type == "lz4"


def test_mutual_tls_shows_our_certificate(certificate: tuple[Path, Path]) -> None:
    """CA, certificate and key go into one context; the host check can be turned off."""
    given = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificate[0]),
        "ssl.certificate.location": str(certificate[0]),
        "ssl.key.location": str(certificate[1]),
        "ssl.endpoint.identification.algorithm": "none",
    }
    settings = KafkaSettings.read(given, {})
    context = settings.ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.check_hostname
    assert len(context.get_ca_certs()) == 1
    assert isinstance(settings.faust()["broker_credentials"], SSLCredentials)


def test_tls_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    """A file that is there but no PEM is a mistake at start, not at the first connection."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    found = mistakes({"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "ca.pem")})
    assert found[0].startswith("kafka.security.protocol: SSL: the TLS files cannot be used")


def test_a_worker_listens_on_this_machine_only_by_default() -> None:
    """Bind and advertised host are the loopback address until somebody says otherwise."""
    settings = WorkerSettings.read({}, {})
    assert settings.loopback
    assert (settings.web_bind, settings.advertised_host, settings.web_port) == ("127.0.0.1", "127.0.0.1", 6066)
    assert settings.directory("ops") == Path("ops-data")


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.1.2.3", "example.org"])  # noqa: S104 - nothing is bound
def test_listening_beyond_this_machine_needs_tokens(bind: str) -> None:
    """An open address without tokens is refused unless asked for in so many words."""
    with pytest.raises(SettingsError, match="STREAMS_WEB_TOKENS"):
        WorkerSettings.read({}, {"STREAMS_WEB_BIND": bind})
    tokens = {"STREAMS_WEB_TOKENS": "a,b", "STREAMS_SERVICE_TOKEN": "c"}
    settings = WorkerSettings.read({}, {"STREAMS_WEB_BIND": bind} | tokens)
    assert settings.web_tokens == (Secret("a"), Secret("b"))
    assert not WorkerSettings.read({}, {"STREAMS_WEB_BIND": bind, "STREAMS_WEB_INSECURE": "true"}).loopback


def test_the_worker_honours_fausts_own_variables() -> None:
    """Directory and port of Faust's variables count where ours are not set."""
    environ = {"APP_DATADIR": "state", "WEB_PORT": "7000"}
    settings = WorkerSettings.read({}, environ)
    assert (settings.directory("ops"), settings.web_port) == (Path("state"), 7000)
    assert WorkerSettings.read({}, environ | {"STREAMS_WEB_PORT": "7001"}).web_port == 7001


def test_mistakes_of_kafka_and_worker_come_together() -> None:
    """A worker with a mistake in each group of settings says both at its first start."""
    with pytest.raises(SettingsError) as caught:
        read_settings("ops", {"partitions": "x"}, {"STREAMS_WEB_PORT": "0"})
    assert [problem.name for problem in caught.value.problems] == ["partitions", "web.port"]
    kafka, worker = read_settings("ops", {}, {"STREAMS_WEB_PORT": "7000"})
    assert (kafka.client_id, worker.web_port) == ("ops", 7000)
