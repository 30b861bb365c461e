"""Our assignment in Kafka's group protocol, as the partition assignor of Faust.

Every worker tells the leader what it holds, of which generation, and which of its topics belong together; the leader
places all partitions (`streams.assignment`) and tells every worker its own and where the others are. The protocol has
a name of its own: the broker refuses a group in which Faust's assignor and this one would have to be mixed.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.assignor import PartitionAssignor
from faust.assignor.client_assignment import ClientAssignment
from mode.utils.logging import get_logger

from streams.assignment import Member, assign
from streams.copartition import Tie, by_count, groups
from streams.transport import versions as _versions  # noqa: F401 - its import is the check

if TYPE_CHECKING:
    from streams.plan import Plan

logger = get_logger(__name__)

PROTOCOL = "streams-1"
"""Name in the group protocol; another one wherever `Claim` or `Share` change their meaning."""

Topics = dict[str, list[int]]
"""Topic -> partitions."""


class Claim(msgspec.Struct):
    """What a worker tells the leader when it joins.

    Args:
        url: by which the others reach it.
        stamp: of all that it says but what it holds; comes back with the assignment that was made for it.
        generation: of the group, when it got what it holds.
        active: what it holds.
        standby: what it follows.
        ties: its topics that belong together.
        stock: its topics that Faust's own agents and tables use.
    """

    url: str
    stamp: str
    generation: int
    active: Topics
    standby: Topics
    ties: list[Tie]
    stock: Tie


class Share(msgspec.Struct):
    """What the leader tells a worker.

    Args:
        stamp: of the claim that it answers.
        active: what the worker gets.
        standby: what it is to follow.
        workers: url -> all that this worker has.
        groups: topic -> number of its group.
    """

    stamp: str
    active: Topics
    standby: Topics
    workers: dict[str, Topics]
    groups: dict[str, int]


class Assignor(PartitionAssignor):
    """Faust's assignor with a placement of its own."""

    app: Any
    _stamp = ""

    @property
    def name(self) -> str:
        """Name of the protocol."""
        return PROTOCOL

    @property
    def version(self) -> int:
        """Version of Kafka's own frame around our data, so that Kafka's tools can show members and partitions."""
        return 0

    def metadata(self, topics: set[str]) -> ConsumerProtocolMemberMetadata:
        """Return what we tell the leader.

        Args:
            topics: that we subscribe to.
        """
        ties = [*declared(self.app.plan), *self._replies(topics)]
        others = topics.difference(*(tie.topics for tie in ties))
        stock = Tie(frozenset(others), frozenset(others & self._table_manager.changelog_topics), self.replicas)
        claim = Claim(
            url=str(self._url),
            stamp="",
            generation=self.app.consumer_generation_id,
            active=dict(self._assignment.actives),
            standby=dict(self._assignment.standbys),
            ties=ties,
            stock=stock,
        )
        self._stamp = claim.stamp = _stamp(claim, topics)
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), _pack(claim))

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take what the leader gave us; join once more if it was given to who we were before a restart.

        The broker hands a static member its old assignment without asking the leader. If address or topics have
        changed since, the others know a wrong address, and the new topics are nobody's.
        """
        share = msgspec.json.decode(zlib.decompress(assignment.user_data), type=Share)
        self._assignment = ClientAssignment(actives=share.active, standbys=share.standby)
        self._active_tps, self._standby_tps = self._assignment.active_tps, self._assignment.standby_tps
        self._topic_groups = dict(share.groups)
        state = self._table_manager.changelog_topics
        self.changelog_distribution = _only(share.workers, state)
        self.external_topic_distribution = _only(share.workers, share.groups.keys() - state)
        if share.stamp != self._stamp:
            logger.info("the assignment is from before a restart with another address or declaration; joining again")
            self.app.consumer.join_again()

    def _replies(self, topics: Iterable[str]) -> list[Tie]:
        """Return Faust's topics for replies, each by itself: every worker reads its own."""
        prefix = self.app.conf.reply_to_prefix
        return [Tie(frozenset({topic})) for topic in sorted(topics) if topic.startswith(prefix)]

    def _perform_assignment(
        self, cluster: Any, member_metadata: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Place all partitions of the group; the leader's work."""
        claims = {name: _claim(metadata) for name, metadata in member_metadata.items()}
        members = [_member(name, claims[name], metadata) for name, metadata in member_metadata.items()]
        counts = _counts(cluster, frozenset[str]().union(*(member.topics for member in members)))
        placed = groups(_ties(claims.values(), counts), counts)
        given = {
            name: ClientAssignment(actives=each.active, standbys=each.standby)
            for name, each in assign(members, placed).items()
        }
        given = dict(self._global_table_standby_assignments(given, counts))
        workers = _workers(claims, given)
        numbers = {topic: number for number, group in enumerate(placed) for topic in group.topics}
        return {name: self._share(each, claims[name].stamp, workers, numbers) for name, each in given.items()}

    def _share(
        self, given: ClientAssignment, stamp: str, workers: dict[str, Topics], numbers: dict[str, int]
    ) -> ConsumerProtocolMemberAssignment:
        share = Share(stamp, dict(given.actives), dict(given.standbys), workers, numbers)
        partitions = _merged([share.active, share.standby])
        return ConsumerProtocolMemberAssignment(self.version, sorted(partitions.items()), _pack(share))


def declared(plan: Plan) -> list[Tie]:
    """Return what belongs together by a declaration: each stream's topic, and what its tables have of their own."""
    found = []
    for stream in plan.streams.values():
        changelogs = frozenset(table.changelog for table in stream.tables)
        between = frozenset(table.repartition for table in stream.tables if table.repartition)
        found.append(Tie(changelogs | between | {stream.stream.topic}, changelogs))
    return found


def _claim(metadata: ConsumerProtocolMemberMetadata) -> Claim:
    return msgspec.json.decode(zlib.decompress(metadata.user_data), type=Claim)


def _member(name: str, claim: Claim, metadata: ConsumerProtocolMemberMetadata) -> Member:
    return Member(
        id=name,
        topics=frozenset(metadata.subscription),
        generation=claim.generation,
        active=claim.active,
        standby=claim.standby,
    )


def _ties(claims: Iterable[Claim], counts: Mapping[str, int]) -> list[Tie]:
    """Return what belongs together by any worker; a topic that one of them declares is stock for none."""
    claims = list(claims)
    ties = {tie for claim in claims for tie in claim.ties}
    known = frozenset[str]().union(*(tie.topics for tie in ties))
    stock = [Tie(claim.stock.topics - known, claim.stock.state - known, claim.stock.standby) for claim in claims]
    return [*ties, *(tie for each in stock for tie in by_count(each, counts))]


def _counts(cluster: Any, topics: Iterable[str]) -> dict[str, int]:
    found = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
    missing = sorted(topic for topic, count in found.items() if not count)
    if missing:
        logger.warning("topics that do not exist are given to nobody: %s", ", ".join(missing))
    return {topic: count for topic, count in found.items() if count}


def _workers(claims: Mapping[str, Claim], given: Mapping[str, ClientAssignment]) -> dict[str, Topics]:
    """Return url -> what this worker works on; workers that say the same url (by mistake) are seen as one."""
    held: dict[str, list[Mapping[str, list[int]]]] = {}
    for name, each in given.items():
        held.setdefault(claims[name].url, []).append(each.actives)
    return {url: _merged(topics) for url, topics in held.items()}


def _merged(parts: Iterable[Mapping[str, Iterable[int]]]) -> Topics:
    found: dict[str, set[int]] = {}
    for part in parts:
        for topic, numbers in part.items():
            found.setdefault(topic, set()).update(numbers)
    return {topic: sorted(numbers) for topic, numbers in found.items()}


def _only(workers: Mapping[str, Topics], wanted: Collection[str]) -> dict[str, MutableMapping[str, list[int]]]:
    return {
        url: {topic: numbers for topic, numbers in topics.items() if topic in wanted} for url, topics in workers.items()
    }


def _stamp(claim: Claim, topics: Iterable[str]) -> str:
    """Return a digest of what would make the leader decide otherwise, or the others know otherwise."""
    said = msgspec.json.encode((claim.url, sorted(topics), claim.ties, claim.stock), order="deterministic")
    return blake2b(said, digest_size=12).hexdigest()


def _pack(value: Claim | Share) -> bytes:
    return zlib.compress(msgspec.json.encode(value, order="deterministic"))
