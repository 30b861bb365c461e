"""What happens to brokers: killed, away, restarted; and leaders that move. Each fault returns when all run again."""

from __future__ import annotations

import time

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from tests.brokers import KafkaBroker
from tests.crash.scene import Scene
from tests.outside import until

AWAY_SECONDS = 70.0
PREFERRED = 0
"""The kind of a leader election that gives a partition to the first of its replicas."""
SYNC_SECONDS = 90.0


def broker_killed(scene: Scene) -> None:
    """SIGKILL of a broker, which comes back with what it had."""
    broker = scene.random.choice(scene.brokers)
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    broker.kill()
    scene.sleep(0, 8)
    _back(scene, [broker])


def broker_away(scene: Scene) -> None:
    """The broker is away for 70 s: longer than the sessions, and than two attempts at anything."""
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    for broker in scene.brokers:
        broker.stop()
    time.sleep(AWAY_SECONDS)
    _back(scene, scene.brokers)


def brokers_in_turn(scene: Scene) -> None:
    """Each broker ends in order and comes back, one after the other; by chance a worker dies on the way."""
    victim = scene.random.choice(scene.brokers)
    for broker in scene.brokers:
        broker.stop()
        if broker is victim and scene.random.random() < 0.5:
            _kill_worker(scene)
        _back(scene, [broker])


def leader_killed(scene: Scene) -> None:
    """SIGKILL of the broker that leads a changelog partition; by chance a worker dies with it."""
    with _admin(scene) as admin:
        topic = f"{scene.app.app}-{scene.random.choice(('traffic', 'users', 'steps', 'finals'))}-changelog"
        (found,) = admin.describe_topics([topic])
        leader = scene.random.choice(found["partitions"])["leader_id"]
    broker = scene.brokers[leader - 1]
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    broker.kill()
    if scene.random.random() < 0.5:
        _kill_worker(scene)
    scene.sleep(3, 10)
    _back(scene, [broker])


def two_brokers_killed(scene: Scene) -> None:
    """SIGKILL of two of three brokers: nothing can be written for a while, nor the controller be had."""
    victims = scene.random.sample(scene.brokers, 2)
    scene.app.burst()
    scene.sleep(0.1, 0.6)
    for broker in victims:
        broker.kill()
    scene.sleep(2, 10)
    _back(scene, victims)


def leader_moved(scene: Scene) -> None:
    """Every partition of the app gets another preferred leader, which is then elected, at work."""
    with _admin(scene) as admin:
        topics = [topic for topic in admin.list_topics() if topic.startswith(scene.app.app)]
        placed = {
            TopicPartition(topic["name"], part["partition_index"]): part["replica_nodes"]
            for topic in admin.describe_topics(topics)
            for part in topic["partitions"]
        }
        by = scene.random.choice((1, 2))
        scene.app.burst()
        admin.alter_partition_reassignments({tp: nodes[by:] + nodes[:by] for tp, nodes in placed.items()})
        until(lambda: not admin.list_partition_reassignments(), "the reassignment to be done", SYNC_SECONDS)
        scene.app.burst()
        admin.elect_leaders(PREFERRED, raise_errors=False)


def _kill_worker(scene: Scene) -> None:
    name = scene.pick()
    scene.app.workers[name].kill()
    scene.sleep(0, 2)
    scene.app.worker(name)


def _back(scene: Scene, brokers: list[KafkaBroker]) -> None:
    """Start brokers, and wait until every partition has all of its replicas in sync: none may be lost while one is."""
    for broker in brokers:
        broker.launch()
    for broker in brokers:
        broker.wait()
    if len(scene.brokers) > 1:
        with _admin(scene) as admin:
            until(lambda: _in_sync(admin), "all replicas to be in sync", SYNC_SECONDS)


def _in_sync(admin: KafkaAdminClient) -> bool:
    parts = [part for topic in admin.describe_topics() for part in topic["partitions"]]
    return all(len(part["isr_nodes"]) == len(part["replica_nodes"]) for part in parts)


class _admin:  # noqa: N801 - used as a function
    def __init__(self, scene: Scene) -> None:
        self._bootstrap = scene.app.bootstrap

    def __enter__(self) -> KafkaAdminClient:
        self._client = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
