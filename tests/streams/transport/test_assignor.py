"""The assignment in the group protocol: what workers tell the leader, and what each makes of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from yarl import URL

from streams.transport.assignor import PROTOCOL, Assignor

COUNTS = {
    "in": 4,
    "followed-log": 4,
    "log": 4,
    "log2": 4,
    "rekeyed": 4,
    "other": 3,
    "other-log": 3,
    "stock": 2,
    "stock-log": 2,
}
STREAMS = {"in": ["log"], "other": ["other-log"]}


class Cluster:
    """What a client knows of the topics."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return the partition numbers of a topic; one for replies has one."""
        count = 1 if topic.startswith("f-reply-") else COUNTS.get(topic)
        return None if count is None else set(range(count))


class Worker:
    """A worker of which only the assignor is real.

    Args:
        name: its id and address.
        streams: topic -> changelogs of its tables, as it declares them.
        more: other topics that it subscribes to; those that end in `-log` are changelogs of stock tables.
    """

    def __init__(self, name: str, streams: Mapping[str, list[str]] = STREAMS, more: Iterable[str] = ()) -> None:
        """Know the topics; nothing is assigned yet."""
        self.name, self.joined = name, 0
        logs = {log for each in streams.values() for log in each} | {topic for topic in more if topic.endswith("-log")}
        self.topics = {*streams, *logs, *more}
        self.app: Any = SimpleNamespace(
            tables=SimpleNamespace(changelog_topics=logs, data={}),
            plan=SimpleNamespace(
                streams={topic: _stream(topic, tables) for topic, tables in streams.items()}, rekeyed={}
            ),
            conf=SimpleNamespace(canonical_url=URL(f"http://{name}:6066"), reply_to_prefix="f-reply-"),
            consumer_generation_id=0,
            consumer=SimpleNamespace(join_again=self._join_again),
            tracer=None,
            sensors=SimpleNamespace(on_assignment_start=lambda _: None, on_assignment_completed=lambda *_: None),
        )
        self.assignor = Assignor(self.app)

    def _join_again(self) -> None:
        self.joined += 1

    def says(self) -> Any:
        """Return what it tells the leader."""
        return self.assignor.metadata(self.topics)

    def takes(self, answer: Any, generation: int) -> None:
        """Take an answer of the leader, as aiokafka and Faust do."""
        self.assignor.on_assignment(answer)
        self.app.consumer_generation_id = generation

    @property
    def has(self) -> set[TP]:
        """The partitions that it works on."""
        return self.assignor.assigned_actives()


def _stream(topic: str, logs: list[str]) -> Any:
    tables = [
        SimpleNamespace(
            changelog=log,
            repartition="rekeyed" if log == "log2" else None,
            table=SimpleNamespace(standby=int(log.startswith("followed-"))),
        )
        for log in logs
    ]
    return SimpleNamespace(stream=SimpleNamespace(topic=topic), tables=tables)


def rebalance(workers: Iterable[Worker], generation: int) -> dict[str, Any]:
    """Let the first worker lead; return what each was told."""
    workers = list(workers)
    answers = workers[0].assignor.assign(Cluster(), {worker.name: worker.says() for worker in workers})
    for worker in workers:
        worker.takes(answers[worker.name], generation)
    return dict(answers)


def test_every_worker_knows_its_partitions_and_those_of_the_others() -> None:
    """All is given once; the frame says the same as our data; router and views find the owner of each partition."""
    workers = [Worker(name) for name in "abc"]
    answers = rebalance(workers, 1)
    wanted = {TP(topic, number) for topic in ("in", "log", "other", "other-log") for number in range(COUNTS[topic])}
    assert sorted(tp for worker in workers for tp in worker.has) == sorted(wanted)
    for worker in workers:
        framed = {TP(topic, number) for topic, numbers in answers[worker.name].assignment for number in numbers}
        assert framed == worker.has
        assert worker.assignor.assigned_standbys() == set()
        assert all(worker.assignor.is_active(tp) for tp in worker.has)
        for other in workers:
            url = f"http://{other.name}:6066"
            assert _held(worker.assignor.changelog_distribution[url]) == {tp for tp in other.has if "log" in tp.topic}
            assert _held(worker.assignor.external_topic_distribution[url]) == {
                tp for tp in other.has if "log" not in tp.topic
            }
            assert _held(worker.assignor.table_metadata("log")[url]) == {tp for tp in other.has if tp.topic == "log"}
        assert worker.assignor.group_for_topic("in") == worker.assignor.group_for_topic("log")
        assert worker.joined == 0


def _held(topics: Mapping[str, Iterable[int]]) -> set[TP]:
    return {TP(topic, number) for topic, numbers in topics.items() for number in numbers}


def test_a_worker_that_leaves_moves_only_what_it_had() -> None:
    """What workers held comes from what they say, not from who leads."""
    workers = [Worker(name) for name in "abc"]
    rebalance(workers, 1)
    before = {worker.name: worker.has for worker in workers}
    rebalance([workers[2], workers[1]], 2)
    assert workers[1].has > before["b"]
    assert workers[2].has > before["c"]
    rebalance([workers[1], Worker("d"), workers[2]], 3)
    assert workers[1].has <= before["b"] | before["a"]


def test_a_zombie_gets_nothing_by_what_it_held_long_ago() -> None:
    """A worker that had everything comes back with an older generation; those that took over keep what they have."""
    zombie, *workers = [Worker(name) for name in "abc"]
    rebalance([zombie], 1)
    rebalance(workers, 2)
    before = {worker.name: worker.has for worker in workers}
    rebalance([zombie, *workers], 3)
    assert all(worker.has <= before[worker.name] for worker in workers)
    assert zombie.has


def test_two_versions_share_a_group() -> None:
    """Whichever leads: the new table and its repartition topic are where the source is, nobody gets the unknown."""
    new = {"in": ["log", "log2"], "other": ["other-log"]}
    for order in (1, -1):
        workers = [Worker("a"), Worker("b", new, ["rekeyed"])]
        rebalance(workers[::order], 1)
        old, upgraded = workers
        assert {tp.topic for tp in old.has} <= old.topics
        numbers = {tp.partition for tp in upgraded.has if tp.topic == "in"}
        assert len(numbers) == 2
        for topic in ("log", "log2", "rekeyed"):
            assert {tp.partition for tp in upgraded.has if tp.topic == topic} == numbers
        assert _held(upgraded.assignor.changelog_distribution["http://b:6066"]) >= {
            TP("log2", number) for number in numbers
        }
        assert "log2" not in {tp.topic for tp in _held(old.assignor.changelog_distribution["http://b:6066"])}


def test_stock_agents_keep_fausts_groups_and_replies_go_to_who_asked() -> None:
    """Stock topics of one size are together; a topic for replies is read by the one worker that subscribes to it."""
    workers = [Worker(name, more=["stock", "stock-log", f"f-reply-{name}"]) for name in "ab"]
    rebalance(workers, 1)
    for worker in workers:
        assert TP(f"f-reply-{worker.name}", 0) in worker.has
        assert {tp.partition for tp in worker.has if tp.topic == "stock"} == {
            tp.partition for tp in worker.has if tp.topic == "stock-log"
        }
    assert sorted(tp.partition for worker in workers for tp in worker.has if tp.topic == "stock") == [0, 1]


def test_standbys_of_stock_tables_follow_changelogs_only() -> None:
    """Faust's own setting of standby replicas still works; declared tables that ask for none have none."""
    workers = [Worker(name, more=["stock", "stock-log"]) for name in "ab"]
    for worker in workers:
        worker.assignor.replicas = 1
    rebalance(workers, 1)
    for worker in workers:
        active = {tp for tp in worker.has if tp.topic == "stock-log"}
        assert worker.assignor.assigned_standbys() == {TP("stock-log", 0), TP("stock-log", 1)} - active
        assert all(worker.assignor.is_standby(tp) for tp in worker.assignor.assigned_standbys())


FOLLOWED = {"in": ["followed-log", "log2"]}


def test_all_tables_of_a_stream_are_followed_if_one_asks_for_it() -> None:
    """The changelogs of the whole unit are followed by the other worker, and everybody knows by whom."""
    workers = [Worker(name, FOLLOWED, ["rekeyed"]) for name in "ab"]
    rebalance(workers, 1)
    for worker, other in zip(workers, workers[::-1], strict=True):
        follows = worker.assignor.assigned_standbys()
        assert follows == {TP(log, tp.partition) for tp in other.has for log in ("followed-log", "log2")}
        assert worker.assignor.warming == {}
        for seen in workers:
            assert _held(seen.assignor.followers[f"http://{worker.name}:6066"]) == follows


def test_a_new_worker_warms_up_before_it_takes_over() -> None:
    """It follows its share beside what stays; when it says that it is ready it gets that, and the former owner less."""
    old, new = Worker("a", FOLLOWED, ["rekeyed"]), Worker("b", FOLLOWED, ["rekeyed"])
    rebalance([old], 1)
    had = old.has
    rebalance([old, new], 2)
    assert old.has == had
    assert not new.has
    assert {topic: len(numbers) for topic, numbers in new.assignor.warming.items()} == {"followed-log": 2, "log2": 2}
    new.assignor.caught_up = lambda: {"followed-log": [0, 1, 2, 3], "log2": [0, 1, 2, 3]}
    rebalance([old, new], 3)
    assert {len(worker.has) for worker in (old, new)} == {8}
    assert new.assignor.warming == {}
    assert old.assignor.assigned_standbys() == {tp for tp in new.has if tp.topic in {"followed-log", "log2"}}


def test_a_missing_topic_is_left_out() -> None:
    """A topic that does not exist yet holds nothing up."""
    worker = Worker("a", {"in": ["log", "no-such-topic"]})
    rebalance([worker], 1)
    assert {tp.topic for tp in worker.has} == {"in", "log"}


def test_an_answer_that_was_made_for_another_process_is_taken_and_asked_for_anew() -> None:
    """A static member gets its old assignment back; with another address or other topics it joins again."""
    answers = rebalance([Worker("a"), Worker("b")], 1)
    same, moved, grown = Worker("a"), Worker("elsewhere"), Worker("a", {**STREAMS, "stock": []})
    for worker in (same, moved, grown):
        worker.says()
        worker.takes(answers["a"], 1)
    assert (same.joined, moved.joined, grown.joined) == (0, 1, 1)
    assert same.has == moved.has == grown.has


def test_workers_with_one_address_are_seen_as_one() -> None:
    """A mistake in the settings loses no partition from the map of owners."""
    workers = [Worker("a"), Worker("b")]
    workers[1].app.conf.canonical_url = workers[0].app.conf.canonical_url
    rebalance(workers, 1)
    assert _held(workers[0].assignor.external_topic_distribution["http://a:6066"]) == {
        tp for worker in workers for tp in worker.has if "log" not in tp.topic
    }


def test_the_protocol_has_a_name_of_its_own() -> None:
    """The broker refuses to mix it with Faust's."""
    assert Worker("a").assignor.name == PROTOCOL != "faust"
