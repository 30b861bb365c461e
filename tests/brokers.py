"""Apache Kafka brokers for tests: KRaft, from the jars that Maven fetches, on loopback, killed by their own pid.

Nothing is downloaded into the checkout: the jars lie in `$OPS_STREAMS_CACHE` or `~/.cache/ops-streams`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.embedded import answers, free_port

VERSION = "4.1.0"
START_SECONDS = 90.0
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>ops.streams</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency><dependency><groupId>org.apache.logging.log4j</groupId>
<artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency></dependencies></project>
"""
_LOGGING = """status = error
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
"""


class BrokerUnavailable(RuntimeError):  # noqa: N818 - the name says what is the matter
    """No broker can be had here; the text says what is missing."""


def cache() -> Path:
    """Return the folder that holds what is fetched for tests."""
    return Path(os.environ.get("OPS_STREAMS_CACHE") or Path.home() / ".cache" / "ops-streams")


@contextmanager
def fetching(folder: Path) -> Iterator[bool]:
    """Make a folder of the cache: one process at a time, and `complete` only if all went well.

    Args:
        folder: is created.

    Yields:
        Whether it has to be filled; no other process does so now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


def install_tools() -> None:
    """Install Java and Maven where CI=true and they are missing.

    Raises:
        BrokerUnavailable: they are missing and this is no CI, or they could not be installed.
    """
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true" and shutil.which("apt-get"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "maven", "default-jre-headless"]):
            subprocess.run(["apt-get", *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S607 - CI image's own
        missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        message = f"Apache Kafka needs {' and '.join(missing)}: apt-get install maven default-jre-headless"
        raise BrokerUnavailable(message)


def jars() -> Path:
    """Return the folder of Kafka's jars, fetched through Maven once.

    Raises:
        BrokerUnavailable: Java or Maven is missing, or Maven failed.
    """
    folder = cache() / f"kafka-{VERSION}"
    with fetching(folder) as missing:
        if missing:
            _fetch_kafka(folder)
    if shutil.which("java") is None:
        install_tools()
    return folder / "libs"


def _fetch_kafka(folder: Path) -> None:
    install_tools()
    (folder / "pom.xml").write_text(_POM)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BrokerUnavailable(f"Maven could not fetch Kafka {VERSION}: {(done.stdout + done.stderr)[-500:]}")


@dataclass(frozen=True)
class Door:
    """A second way to a broker: it listens on `port`, and tells its clients to come to `advertised`.

    What stands between the two (a proxy) is the matter of whoever asked for the door.
    """

    port: int
    advertised: int

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.advertised}"


class KafkaBroker:
    """One Kafka process. It keeps its port and its data over `stop`, `kill` and `start`.

    Args:
        node: its number in the cluster, from 1.
        ports: of every node of the cluster, (clients, controller).
        cluster: the cluster's id.
        folder: where data, configuration and output lie.
        settings: more server properties.
        doors: names of further listeners, upper case.
    """

    def __init__(  # noqa: PLR0913 - independent, the last with a default
        self,
        node: int,
        ports: list[tuple[int, int]],
        cluster: str,
        folder: Path,
        settings: dict[str, str],
        *,
        doors: Sequence[str] = (),
    ) -> None:
        """Write the configuration; nothing runs yet."""
        self.node = node
        self.folder = folder
        self.doors = {name: Door(free_port(), free_port()) for name in doors}
        self._process: subprocess.Popen[bytes] | None = None
        self._cluster = cluster
        self._port = ports[node - 1][0]
        folder.mkdir(parents=True)
        (folder / "log4j2.properties").write_text(_LOGGING)
        properties = _properties(node, ports, folder) | _listeners(ports[node - 1], self.doors) | settings
        self._config = folder / "server.properties"
        self._config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id; None where it does not run."""
        return self._process.pid if self._process else None

    def format(self) -> None:
        """Prepare the data folder; needed once, before the first start.

        Raises:
            RuntimeError: Kafka refuses to, for the reason that it says.
        """
        command = [*self._java(), "kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self._config)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"Kafka's StorageTool ended with {done.returncode}: {done.stdout}{done.stderr}")

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if not (self.folder / "data" / "meta.properties").exists():
            self.format()
        with (self.folder / "output").open("ab") as output:
            command = [*self._java(), "kafka.Kafka", str(self._config)]
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Return when it answers.

        Raises:
            BrokerUnavailable: it ended, or did not answer in time.
        """
        until = time.monotonic() + seconds
        while not answers(self._port):
            if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                raise BrokerUnavailable(f"Kafka did not start: {(self.folder / 'output').read_text()[-2000:]}")
            time.sleep(0.1)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait()

    def stop(self, seconds: float = 30.0) -> None:
        """End it in order (SIGTERM), then by force."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _java(self) -> list[str]:
        log = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [
            "java",
            "-Xmx512m",
            "-Xms128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            log,
            "-cp",
            f"{jars()}/*",
        ]


class KafkaCluster:
    """One or more brokers that form a cluster, in a temporary folder.

    Args:
        nodes: how many.
        doors: names of further listeners of each, upper case.
        settings: more server properties of each.
    """

    def __init__(self, nodes: int = 1, *, doors: Sequence[str] = (), **settings: str) -> None:
        """Choose ports; nothing runs yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="ops-streams-kafka-"))
        ports = [(free_port(), free_port()) for _ in range(nodes)]
        name = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")
        more = {key.replace("_", "."): value for key, value in settings.items()}
        self.brokers = [
            KafkaBroker(node, ports, name, self.folder / str(node), more, doors=doors) for node in range(1, nodes + 1)
        ]

    @property
    def bootstrap(self) -> str:
        """The addresses for clients, joined by commas."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def start(self) -> KafkaCluster:
        """Start every broker and wait until all answer."""
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait()
        return self

    def stop(self) -> None:
        """End every broker and delete its data."""
        for broker in self.brokers:
            broker.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _listeners(ports: tuple[int, int], doors: Mapping[str, Door]) -> dict[str, str]:
    """Return the properties by which a broker listens, and says where it does."""
    clients, controller = ports
    listens = {"PLAINTEXT": clients, "CONTROLLER": controller, **{name: door.port for name, door in doors.items()}}
    tells = {"PLAINTEXT": clients, **{name: door.advertised for name, door in doors.items()}}
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listens.items()),
        "advertised.listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in tells.items()),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listens),
    }


def _properties(node: int, ports: list[tuple[int, int]], folder: Path) -> dict[str, str]:
    copies = str(min(3, len(ports)))
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, (_, port) in enumerate(ports, 1))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": "1" if len(ports) == 1 else "2",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": "1",
    }
