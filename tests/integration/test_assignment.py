"""Real `faust worker` processes join, leave and restart on Apache Kafka; what moves is counted as the broker says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from kafka.errors import InconsistentGroupProtocolError

from tests.brokers import KafkaCluster
from tests.integration.crew import Crew, Seen, moved, share, together
from tests.outside import until

NUMBERS = count(1)
"""Tells the apps of the tests apart, which share a broker."""


def dynamic(name: str) -> dict[str, str]:
    """Return no more settings: the worker leaves the group when it stops."""
    del name
    return {}


def static(name: str) -> dict[str, str]:
    """Return settings by which the group waits for a worker that stops."""
    return {"STREAMS_KAFKA_GROUP_INSTANCE_ID": name, "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "45000"}


@pytest.fixture
def crew(kafka: KafkaCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Return an app without workers; the test's parameter says its streams, and how many follow each partition."""
    streams = {name: count for name, count in request.param.items() if name != "standby"}
    each = Crew(kafka.bootstrap, f"assign{next(NUMBERS)}", tmp_path, streams, request.param.get("standby", 0))
    yield each
    each.close()


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 12, "events": 6}], indirect=True)
def test_join_and_leave_move_a_share(crew: Crew) -> None:
    """From two to three workers and back: what the third gets moves, then what it had, and nothing else."""
    declaration = crew.declaration()
    crew.start("a", declaration)
    crew.start("b", declaration)
    two = crew.settled("a", "b")
    assert two.protocol == "streams-1"
    assert [share(two, name) for name in "ab"] == [9, 9]
    crew.start("c", declaration)
    three = crew.settled("a", "b", "c")
    assert [share(three, name) for name in "abc"] == [6, 6, 6]
    assert moved(two, three) == 6
    assert crew.workers["c"].stop() == 0
    back = crew.settled("a", "b")
    assert [share(back, name) for name in "ab"] == [9, 9]
    assert moved(three, back) == 6
    assert all(together(seen, crew) for seen in (two, three, back))


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 2}], indirect=True)
def test_idle_workers_stay_and_get_work(crew: Crew) -> None:
    """A worker without partitions is ready, stays in the group beyond the longest poll interval, and takes over."""
    declaration = crew.declaration()
    for name in "abc":
        crew.start(name, declaration, STREAMS_KAFKA_MAX_POLL_INTERVAL_MS="2000")
    before = crew.settled("a", "b", "c")
    (idle,) = [name for name in "abc" if share(before, name) == 0]
    (first, second) = [name for name in "abc" if name != idle]
    waited = iter(range(30))
    until(lambda: next(waited) == 29, "six seconds to pass", 30)
    assert crew.settled("a", "b", "c") == before
    crew.workers[first].kill()
    after = crew.settled(idle, second)
    assert [share(after, name) for name in (idle, second)] == [1, 1]
    assert moved(before, after) == 1


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 2}], indirect=True)
def test_more_workers_than_partitions_and_back(crew: Crew) -> None:
    """From one worker to four over two partitions and back to one: all is always given, once, to whoever is there."""
    declaration = crew.declaration()
    names = ""
    for name in "abcd":
        crew.start(name, declaration)
        names += name
        seen = crew.settled(*names)
        assert sorted(share(seen, each) for each in names) == ([2] if names == "a" else [0] * (len(names) - 2) + [1, 1])
        assert together(seen, crew)
    while len(names) > 1:
        before, gone = seen, max(names, key=lambda each: share(seen, each))
        assert crew.workers[gone].stop() == 0
        names = names.replace(gone, "")
        seen = crew.settled(*names)
        assert moved(before, seen) == share(before, gone)
        assert sum(share(seen, each) for each in names) == 2
        assert together(seen, crew)


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 6, "standby": 1}], indirect=True)
def test_a_worker_that_joins_warms_up_and_then_takes_its_share_from_its_copy(crew: Crew) -> None:
    """With standbys a third of the partitions moves to the third worker, each taken over from what it followed."""
    for name in "ab":
        crew.start(name, crew.declaration())
    until(lambda: crew.shares("ab") == [3, 3], lambda: f"two halves\n{crew.said()}", 60)
    before = crew.settled("a", "b")
    crew.start("c", crew.declaration())
    until(lambda: crew.shares("abc") == [2, 2, 2], lambda: f"three thirds\n{crew.said()}", 60)
    now = crew.settled("a", "b", "c")
    assert moved(before, now) == 2
    assert "warming up before taking over" in crew.workers["c"].output
    assert crew.workers["c"].output.count("taken over from its standby") == 2


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 4, "standby": 1}], indirect=True)
def test_a_rolling_restart_with_standbys_moves_nothing(crew: Crew) -> None:
    """Static members come back to what they had and to what they followed."""
    for name in "ab":
        crew.start(name, crew.declaration(), **static(name))
    until(lambda: crew.shares("ab") == [2, 2], lambda: f"two halves\n{crew.said()}", 60)
    before = crew.settled("a", "b")
    for name in "ab":
        assert crew.workers[name].stop() == 0
        crew.workers[name].start().wait_ready()
        assert crew.settled("a", "b").owners == before.owners
        until(lambda name=name: crew.followed(name) == 2, lambda: f"to follow again\n{crew.said()}", 30)


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 6}], indirect=True)
def test_a_rolling_restart_of_static_members_moves_nothing(crew: Crew) -> None:
    """With `group.instance.id` each worker in turn ends and comes back: the group does not even rebalance."""
    for name in "abc":
        crew.start(name, crew.declaration(), **static(name))
    seen = before = crew.settled("a", "b", "c")
    for name, others in (("a", "bc"), ("b", "ac"), ("c", "ab")):
        rebalances = [crew.rebalances(other) for other in others]
        assert crew.workers[name].stop() == 0
        crew.workers[name].start().wait_ready()
        now = crew.settled("a", "b", "c")
        assert now.members != seen.members, "the restarted process is another member"
        assert now.owners == before.owners
        assert [crew.rebalances(other) for other in others] == rebalances
        seen = now


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 6}], indirect=True)
def test_a_static_member_at_another_address_is_found_and_moves_nothing(crew: Crew) -> None:
    """The group hands out the old assignment with the old address; then it learns the new one, and nothing moves."""
    for name in "ab":
        crew.start(name, crew.declaration(), **static(name))
    before = crew.settled("a", "b")
    for name in "ab":
        address = crew.workers[name].url
        assert crew.workers[name].stop() == 0
        assert crew.start(name, crew.declaration(), **static(name)).wait_ready().url != address
        urls = {worker.url for worker in crew.workers.values()}
        until(lambda urls=urls: crew.known("a") == crew.known("b") == urls, f"all to know {urls}", 30)
        assert crew.settled("a", "b").owners == before.owners


def outsider(crew: Crew) -> KafkaConsumer:
    """Return another client in the crew's group; it knows the topic before it joins, or it may keep an empty share."""
    consumer = KafkaConsumer(bootstrap_servers=crew.bootstrap, group_id=crew.app)
    until(lambda: len(consumer.partitions_for_topic(source(crew))) == 2, "the other client to know the topic")
    consumer.subscribe([source(crew)])
    return consumer


@pytest.mark.kafka
@pytest.mark.parametrize("crew", [{"requests": 2}], indirect=True)
def test_a_group_is_never_mixed_with_another_protocol(crew: Crew) -> None:
    """In a group of another client a worker says what is wrong, and joins when that is gone; then nobody else can."""
    stranger = outsider(crew)
    until(lambda: (stranger.poll(200), stranger.assignment())[1], "the other client to have the group")
    worker = crew.start("a", crew.declaration())
    until(lambda: "use another assignment protocol" in worker.output, lambda: f"a message\n{crew.said()}")
    stranger.poll(200)
    stranger.close()
    assert share(crew.settled("a"), "a") == 2
    stranger = outsider(crew)
    with pytest.raises(InconsistentGroupProtocolError):
        until(lambda: (stranger.poll(200), stranger.assignment())[1], "the other client to be refused", 20)
    stranger.close()
    assert share(crew.settled("a"), "a") == 2


@pytest.mark.kafka
@pytest.mark.parametrize("settings", [dynamic, static], ids=["dynamic", "static"])
@pytest.mark.parametrize("crew", [{"requests": 6}], indirect=True)
def test_a_rolling_upgrade_keeps_tables_with_their_source(
    crew: Crew, settings: Callable[[str], dict[str, str]]
) -> None:
    """Two versions share the group: the new table's partitions are where their source is, or wait; then all are."""
    old, new = crew.declaration(), crew.declaration("added")
    for name in "ab":
        crew.start(name, old, **settings(name))
    before = crew.settled("a", "b")
    crew.workers["a"].stop()
    crew.start("a", new, **settings("a")).wait_ready()
    until(lambda: _added(crew.settled("a", "b")), lambda: f"the new table to be placed\n{crew.said()}", 30)
    half = crew.settled("a", "b")
    assert together(half, crew)
    assert _added(half) == {
        number for (topic, number), name in half.owners.items() if (topic, name) == (source(crew), "a")
    }
    crew.workers["b"].stop()
    crew.start("b", new, **settings("b")).wait_ready()
    until(lambda: together(crew.settled("a", "b"), crew, "added"), lambda: f"all to be placed\n{crew.said()}", 30)
    assert moved(before, crew.settled("a", "b")) == 0 or settings is not static


def source(crew: Crew) -> str:
    """Return the topic of the first stream."""
    return f"{crew.app}.{next(iter(crew.streams))}"


def _added(seen: Seen) -> set[int]:
    return {number for topic, number in seen.owners if topic.endswith("-added-changelog")}
