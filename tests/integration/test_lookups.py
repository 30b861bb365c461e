"""A lookup from a topic on Apache Kafka: read whole before anything is counted, then followed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from streams.backtest.replay import Replay
from streams.backtest.topics import Topics
from streams.load import load
from streams.plan import plan
from tests.integration.app_run import Run
from tests.outside import Sent, create_topic, produce, until

pytestmark = pytest.mark.kafka

DECLARATION = """
app: {app}
lookups:
  hosts: {{topic: {app}.hosts, key: host}}
streams:
  hits: {{topic: {app}.hits, key: host, join: {{hosts: host}}, derive: {{team: "coalesce(hosts.team, 'nobody')"}}}}
tables:
  seen: {{from: hits, key: host, aggregates: {{teams: distinct("team"), team: last("team"), n: count()}}}}
"""


@pytest.fixture
def run(kafka: Any, tmp_path: Path) -> Iterator[Run]:
    """Return the app above, its stream's topic with one record of each of three hosts."""
    each = Run(kafka.bootstrap, "looked", tmp_path, topic=False)
    each.declaration.write_text(DECLARATION.format(app=each.app))
    create_topic(each.bootstrap, f"{each.app}.hits", 2)
    hit(each, "a", "b", "c")
    yield each
    each.kill()


def hit(run: Run, *hosts: str) -> None:
    """Produce a record of each host."""
    produce(run.bootstrap, f"{run.app}.hits", [Sent(0, h.encode(), json.dumps({"host": h}).encode()) for h in hosts])


def learn(run: Run, **rows: Any) -> None:
    """Produce rows of hosts: a team, bytes as they are, or None to delete one."""
    made = [Sent(ord(host) % 3, host.encode(), json.dumps({"team": row}).encode() if isinstance(row, str) else row)
            for host, row in rows.items()]  # fmt: skip
    produce(run.bootstrap, f"{run.app}.hosts", made)


def seen(run: Run) -> dict[str, Any]:
    """Return the last team of each host, as the worker shows it."""
    rows = run.workers["a"].get("/api/v1/tables/seen")["data"]["rows"]
    return {row["key"]["host"]: row["values"]["team"] for row in rows}


def replayed(run: Run) -> dict[str, Any]:
    """Return the last team of each host as a replay has it, over the rows that there are now."""
    topics = Topics({"bootstrap_servers": run.bootstrap}, None, None)
    declared = load(run.declaration)
    replay = Replay(declared, 2, ahead=True)
    topics.play(replay, topics.stretches(plan(declared)), lambda _: None)
    return {row.key: row.values["team"] for row in replay.table("seen").rows()}


def recreate(run: Run) -> None:
    """Delete the topic of the lookup and create it with more partitions."""
    admin = KafkaAdminClient(bootstrap_servers=run.bootstrap)
    admin.delete_topics([f"{run.app}.hosts"])
    until(lambda: f"{run.app}.hosts" not in admin.list_topics(), "the topic to be deleted")
    admin.close()
    create_topic(run.bootstrap, f"{run.app}.hosts", 5)


def metric(run: Run, name: str) -> float:
    """Return a metric of the lookup."""
    found = re.search(rf"^{name}{{lookup=\"hosts\".*}} (\S+)$", run.workers["a"].text("/metrics"), re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_rows_are_joined_as_they_are_when_a_record_is_counted(run: Run) -> None:
    """The worker waits for the topic; later rows, deletions and bad records change what is joined, or do not."""
    worker = run.worker("a")
    until(lambda: "lookup hosts: topic looked.hosts" in worker.output, lambda: f"the topic to be named\n{run.said()}")
    assert not worker.ready()
    create_topic(run.bootstrap, f"{run.app}.hosts", 3, cleanup_policy="compact")
    worker.wait_ready()
    assert metric(run, "streams_lookup_errors_total") == 0
    until(lambda: len(seen(run)) == 3, run.said)
    assert set(seen(run).values()) == {"nobody"}
    learn(run, a="red", b="blue", c="green")
    until(lambda: metric(run, "streams_lookup_rows") == 3, run.said)
    hit(run, "a", "b", "c")
    until(lambda: seen(run) == {"a": "red", "b": "blue", "c": "green"}, lambda: f"{seen(run)}\n{run.said()}")
    learn(run, a="violet", b=None, c=b"nonsense")
    until(lambda: metric(run, "streams_lookup_errors_total") == 1, run.said)
    until(lambda: metric(run, "streams_lookup_rows") == 2, run.said)
    until(lambda: metric(run, "streams_lookup_lag_records") == 0, run.said)
    hit(run, "a", "b", "c")
    until(lambda: seen(run) == {"a": "violet", "b": "nobody", "c": "green"}, lambda: f"{seen(run)}\n{run.said()}")
    assert "(invalid_json); the row that was there stays" in worker.output
    assert worker.stop() == 0, run.said()
    hit(run, "d", "c")
    learn(run, d="white")
    run.worker("a").wait_ready()
    until(lambda: seen(run).get("d") == "white", lambda: f"{seen(run)}\n{run.said()}")
    assert seen(run)["c"] == "green"
    assert replayed(run) == {"a": "violet", "b": "nobody", "c": "green", "d": "white"}
    recreate(run)
    until(lambda: "read anew" in worker.output, run.said)
    learn(run, a="grey")
    until(lambda: metric(run, "streams_lookup_rows") == 1, run.said)
    hit(run, "a", "d")
    until(lambda: [seen(run)[each] for each in "ad"] == ["grey", "nobody"], lambda: f"{seen(run)}\n{run.said()}")
