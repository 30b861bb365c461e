"""A real Prometheus scrapes a worker; by our configuration and rules an alert of the app is one of Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from streams.embedded import EmbeddedBroker, free_port
from tests.workers import Worker

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "host.metrics"

pytestmark = [pytest.mark.prometheus, pytest.mark.embedded]


class Prometheus:
    """A prometheus process with the configuration of `deploy/`, over other targets and at other intervals."""

    def __init__(self, target: str, folder: Path) -> None:
        """Write the configuration and start."""
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ROOT / "deploy/prometheus/rules.yml")]
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.folder, self.port = folder, free_port()
        command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}"]
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def get(self, path: str) -> Any:
        """Return the data of an answer; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return json.loads(reply.read())["data"]
        except (urllib.error.URLError, OSError):
            return None

    def query(self, text: str) -> list[Any]:
        """Return the samples that a PromQL expression has now."""
        data = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': text})}")
        return data["result"] if data else []

    def alerts(self) -> list[Any]:
        """Return the alerts that Prometheus has now."""
        data = self.get("/api/v1/alerts")
        return data["alerts"] if data else []

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def until(found: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
    """Return the first answer that is not empty."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)
    return answer


@pytest.fixture(scope="module")
def worker(embedded: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Return a worker of the metrics example that has read its sample."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        why = "prometheus is not installed: apt-get install prometheus"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    admin = KafkaAdminClient(bootstrap_servers=embedded.bootstrap)
    admin.create_topics([NewTopic(TOPIC, 2, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=embedded.bootstrap)
    for line in (ROOT / "tests/examples/metrics.jsonl").read_bytes().splitlines():
        producer.send(TOPIC, key=json.loads(line)["host"].encode(), value=line)
    producer.flush()
    producer.close()
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {"STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000", "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "4000"}
    settings["STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS"] = "1000"
    running = Worker(ROOT / "deploy/examples/metrics.yaml", embedded.bootstrap, folder / "worker", **settings).start()
    try:
        yield running.wait_ready()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def prometheus(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that scrapes the worker every second."""
    running = Prometheus(f"127.0.0.1:{worker.port}", tmp_path_factory.mktemp("tsdb"))
    try:
        yield running
    finally:
        running.stop()


def test_the_alert_of_the_app_is_an_alert_of_prometheus(prometheus: Prometheus) -> None:
    """What the app fires fires in Prometheus, under our rule, with the app's own name and labels."""
    alert = until(
        lambda: [each for each in prometheus.alerts() if each["labels"].get("streams_alertname") == "MemoryShort"],
        "Prometheus shows the alert MemoryShort",
    )[0]
    assert alert["labels"] == {
        "alertname": "StreamsAlert",
        "streams_alertname": "MemoryShort",
        "host": "host-1",
        "severity": "ticket",
    }
    assert alert["state"] == "firing"


def test_exposed_columns_are_series(prometheus: Prometheus) -> None:
    """Each exposed column is a series per key: the latest closed window of each host."""
    found = until(lambda: prometheus.query("streams_table_hosts_memory"), "the exposed column is scraped")
    assert {sample["metric"]["host"] for sample in found} == {f"host-{number}" for number in range(4)}
    assert {sample["metric"]["host"] for sample in found if float(sample["value"][1]) > 0.9} == {"host-1"}


def test_counters_say_what_was_read(prometheus: Prometheus) -> None:
    """The records counter has every record of the sample, and nothing went to the dead letters."""
    sent = len((ROOT / "tests/examples/metrics.jsonl").read_bytes().splitlines())
    query = 'sum(streams_records_total{outcome="accepted"}) == ' + str(sent)
    assert until(lambda: prometheus.query(query), f"{sent} records are accepted")
    assert sum(float(each["value"][1]) for each in prometheus.query("streams_dead_letters_total")) == 0


@pytest.mark.usefixtures("prometheus")
def test_promtool_finds_no_fault_with_the_metrics(worker: Worker) -> None:
    """What a worker exposes follows Prometheus' conventions."""
    metrics = worker.text("/metrics")
    run = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607 - found by the path
        input=metrics, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
