"""History from topics of real brokers: the records of a stretch of time, each once, and nothing left behind."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner

from streams.backtest.replay import Replay
from streams.backtest.topics import Topics
from streams.cli import main
from streams.load import loads
from streams.plan import plan
from streams.transport import topics
from streams.transport.client import Client
from streams.transport.errors import TopicMissing

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded import EmbeddedBroker
    from tests.brokers import KafkaCluster

    Broker = KafkaCluster | EmbeddedBroker

BASE = 1_700_000_000_000
HOSTS = [f"h{number}" for number in range(7)]
APP = """
app: t
streams:
  s: {{topic: {topic}, time: {{field: ts, unit: ms}}, key: host}}
tables:
  c:
    from: s
    key: host
    window: {{tumbling: 10s, grace: 0s}}
    aggregates: {{n: count(), bad: count(where="status >= 500")}}
alerts:
  - {{alert: Failing, table: c, expr: bad / n > 0.5, for: 20s}}
"""


@pytest.fixture(
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


async def filled(bootstrap: str) -> str:
    """Return a topic with three partitions and 700 records of 70 seconds, the later half of them failures."""
    topic = f"in-{uuid.uuid4().hex[:8]}"
    client = await Client({"bootstrap_servers": bootstrap}).start()
    await topics.ensure(client, topic, 3)
    await client.stop()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for index in range(700):
        time, host = BASE + index * 100, index % 7
        value = f'{{"host": "{HOSTS[host]}", "ts": {time}, "status": {500 if index >= 350 else 200}}}'
        await producer.send(topic, value.encode(), partition=host % 3, timestamp_ms=time)
    await producer.stop()
    return topic


def played(bootstrap: str, topic: str, from_: int | None = None, to: int | None = None) -> Replay:
    """Return a replay of a stretch of the topic."""
    declaration = loads(APP.format(topic=topic))
    source = Topics({"bootstrap_servers": bootstrap}, from_, to)
    stretches = source.stretches(plan(declaration))
    replay, read = Replay(declaration, 3, ahead=True), list[int]()
    source.play(replay, stretches, read.append)
    replay.finish()
    assert sum(read) == sum(each.hi - each.lo for each in stretches)
    return replay


def test_all_of_a_topic(broker: Broker, tmp_path: Path) -> None:
    """Every record of every partition is folded once; the command shows an alert for each key, and commits nothing."""
    topic = asyncio.run(filled(broker.bootstrap))
    replay = played(broker.bootstrap, topic)
    assert (replay.records, replay.late_rows, replay.first, replay.last) == (700, 0, BASE, BASE + 69_900)
    assert sorted(each.labels["host"] for each in replay.timeline.episodes) == HOSTS
    (tmp_path / "t.yaml").write_text(APP.format(topic=topic))
    result = CliRunner().invoke(main, ["backtest", str(tmp_path / "t.yaml"), "--bootstrap", broker.bootstrap])
    assert re.findall(r'^Failing{host="(h\d)"}', result.output, re.MULTILINE) == HOSTS


def test_a_missing_topic_is_named(broker: Broker) -> None:
    """A topic that is not there is an error with its name, and is not made."""
    with pytest.raises(TopicMissing, match="there is no topic 'not-there'"):
        played(broker.bootstrap, "not-there")


@pytest.mark.kafka
def test_a_stretch_of_time(kafka: KafkaCluster) -> None:
    """Only what lies between two Kafka timestamps is read; a stretch in which nothing lies is empty."""
    topic = asyncio.run(filled(kafka.bootstrap))
    for from_, to, first, count in ((20_000, 40_000, 20_000, 200), (None, 10_000, 0, 100), (60_050, None, 60_100, 99)):
        start = None if from_ is None else BASE + from_
        replay = played(kafka.bootstrap, topic, start, None if to is None else BASE + to)
        assert (replay.records, replay.first) == (count, BASE + first)
    assert played(kafka.bootstrap, topic, BASE + 80_000).records == 0


@pytest.mark.kafka
def test_no_group_is_left(kafka: KafkaCluster) -> None:
    """A backtest joins no group and commits no offset."""
    topic = asyncio.run(filled(kafka.bootstrap))
    played(kafka.bootstrap, topic)

    async def groups() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        listed = await admin.list_consumer_groups()
        offsets = [await admin.list_consumer_group_offsets(name) for name, _ in listed]
        await admin.close()
        return [name for (name, _), each in zip(listed, offsets, strict=True) if TopicPartition(topic, 0) in each]

    assert asyncio.run(groups()) == []
