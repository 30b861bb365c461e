"""The systems that are compared: how each is run over a loaded topic, and how its result is read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.transport import topics
from streams.transport.client import Client
from tests.benchmarks.brokers import WORKER_CORE
from tests.benchmarks.commits import Commits
from tests.benchmarks.declarations import declaration
from tests.benchmarks.end_to_end import run_faust, run_workers
from tests.benchmarks.measured import Measured, Spent, timed
from tests.benchmarks.peers import java
from tests.benchmarks.peers.results import faust_cells, flink_cells, kafka_streams_cells, quix_cells
from tests.benchmarks.verify import Cells, cells
from tests.brokers import BrokerUnavailable, cache, fetching

QUIX = "quixstreams==3.28.1"
Run = Callable[[str, str, str, int], tuple[Spent, Cells]]
"""(broker, topic, name of the app, records in the topic) -> what it took, and the cells that it counted."""


@dataclass(frozen=True)
class System:
    """One system.

    Args:
        name: as the report calls it.
        events: how many it is given: a slow one gets the first events of the same workload.
        run: runs it.
        last: whether its topic ends with events that close all windows, for its results are those of closed ones.
    """

    name: str
    events: int
    run: Run
    last: bool = False


def ours(bootstrap: str, topic: str, app: str, records: int) -> tuple[Spent, Cells]:
    """Run one worker of ours, the quantile and the rule included."""
    text = declaration(app, topic)
    spent = run_workers(bootstrap, records, text, topic=topic).whole
    return spent, cells(bootstrap, text)


def faust(bootstrap: str, topic: str, app: str, records: int) -> tuple[Spent, Cells]:
    """Run stock Faust."""
    return run_faust(bootstrap, app, records, topic), faust_cells(bootstrap, app)


def quix(bootstrap: str, topic: str, app: str, records: int) -> tuple[Spent, Cells]:
    """Run Quix Streams in an environment of its own."""
    words = [str(_quix_python()), str(Path(__file__).parent / "quix_streams.py"), bootstrap, topic, app, f"{app}-out"]
    with tempfile.TemporaryDirectory() as folder:
        return _until_committed([*words, folder], bootstrap, topic, app, records), quix_cells(bootstrap, f"{app}-out")


def _quix_python() -> Path:
    folder = cache() / QUIX.replace("==", "-")
    with fetching(folder) as missing:
        if missing:
            _install_quix(folder)
    return folder / "bin" / "python"


def _install_quix(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "-q", QUIX], check=False, capture_output=True, text=True)
    if done.returncode:
        raise BrokerUnavailable(f"{QUIX} could not be installed: {done.stderr[-1000:]}")


def kafka_streams(guarantee: str) -> Run:
    """Return what runs Kafka Streams with a processing guarantee."""

    def run(bootstrap: str, topic: str, app: str, records: int) -> tuple[Spent, Cells]:
        words = java.command("kafka_streams", "KafkaStreamsPeer")
        with tempfile.TemporaryDirectory() as folder:
            spent = _until_committed([*words, bootstrap, topic, app, folder, guarantee], bootstrap, topic, app, records)
        return spent, kafka_streams_cells(bootstrap, app)

    return run


def flink(bootstrap: str, topic: str, app: str, records: int) -> tuple[Spent, Cells]:
    """Run Flink over the topic as it is now; it ends by itself."""
    del records
    words = java.command("flink", "FlinkPeer")
    asyncio.run(_make(bootstrap, f"{app}-out"))
    with tempfile.TemporaryDirectory() as folder:
        process = Measured([*words, bootstrap, topic, app, f"{app}-out", folder], core=WORKER_CORE)
        with process:
            process.heard("BEGAN")
            spent = timed([process], lambda: bool(process.said("ENDED")))
    return spent, flink_cells(bootstrap, f"{app}-out")


def _until_committed(words: list[str], bootstrap: str, topic: str, group: str, records: int) -> Spent:
    with Measured(words, core=WORKER_CORE) as process, Commits(bootstrap, group, topic) as commits:
        process.heard("BEGAN")
        return timed([process], lambda: commits.total() >= records)


async def _make(bootstrap: str, name: str) -> None:
    client = await Client({"bootstrap_servers": bootstrap}).start()
    await topics.ensure(client, name, 1)
    await client.stop()


SYSTEMS = {
    "ours": System("ops-streams", 2_000_000, ours),
    "faust": System("Faust 0.15.3", 60_000, faust),
    "quix": System("Quix Streams 3.28", 200_000, quix, last=True),
    "kafka_streams": System("Kafka Streams 4.1", 2_000_000, kafka_streams("at_least_once")),
    "kafka_streams_exact": System("Kafka Streams 4.1, exactly once", 2_000_000, kafka_streams("exactly_once_v2")),
    "flink": System("Flink 2.2", 2_000_000, flink),
}
