"""Our assignment in Kafka's group protocol, as the partition assignor of Faust.

Every worker tells the leader what it holds, of which generation, and which of its topics belong together; the leader
places all partitions (`streams.assignment`) and tells every worker its own and where the others are. The protocol has
a name of its own: the broker refuses a group in which Faust's assignor and this one would have to be mixed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import replace
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
        ready: what it follows and has read to the end.
        warming: what it was to get when it is ready.
    """

    url: str
    stamp: str
    generation: int
    active: Topics
    standby: Topics
    ties: list[Tie]
    stock: Tie
    ready: Topics = msgspec.field(default_factory=dict)
    warming: Topics = msgspec.field(default_factory=dict)


class Share(msgspec.Struct):
    """What the leader tells a worker.

    Args:
        stamp: of the claim that it answers.
        active: what the worker gets.
        standby: what it is to follow.
        workers: url -> all that this worker has.
        groups: topic -> number of its group.
        warming: of what it is to follow, what it gets when it has read it to the end and joins again.
        followers: url -> all that this worker follows.
    """

    stamp: str
    active: Topics
    standby: Topics
    workers: dict[str, Topics]
    groups: dict[str, int]
    warming: Topics = msgspec.field(default_factory=dict)
    followers: dict[str, Topics] = msgspec.field(default_factory=dict)


class Assignor(PartitionAssignor):
    """Faust's assignor with a placement of its own.

    Attributes:
        caught_up: returns what of the followed changelogs was read to the end; set by the runtime, asked in the
            consumer's thread.
        warming: followed partitions that this worker gets when it has read them and joins again.
        followers: url -> followed changelog partitions of each worker.
    """

    app: Any
    _stamp = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin without an assignment."""
        super().__init__(*args, **options)
        self.caught_up: Callable[[], Topics] = dict
        self.warming: Topics = {}
        self.followers: dict[str, Topics] = {}

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
            ready=self.caught_up(),
            warming=self.warming,
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
        self.warming, self.followers = share.warming, share.followers
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
        assigned = assign(members, placed)
        given = {name: ClientAssignment(each.active, each.standby) for name, each in assigned.items()}
        given = dict(self._global_table_standby_assignments(given, counts))
        share = Share(
            stamp="",
            active={},
            standby={},
            workers=_by_url(claims, {name: each.actives for name, each in given.items()}),
            groups={topic: number for number, group in enumerate(placed) for topic in group.topics},
            followers=_by_url(claims, {name: each.standby for name, each in assigned.items()}),
        )
        return {
            name: self._framed(
                msgspec.structs.replace(
                    share,
                    stamp=claims[name].stamp,
                    active=dict(each.actives),
                    standby=dict(each.standbys),
                    warming=assigned[name].warming,
                )
            )
            for name, each in given.items()
        }

    def _framed(self, share: Share) -> ConsumerProtocolMemberAssignment:
        partitions = _merged([share.active, share.standby])
        return ConsumerProtocolMemberAssignment(self.version, sorted(partitions.items()), _pack(share))


def declared(plan: Plan) -> list[Tie]:
    """Return what belongs together by a declaration: each stream's topic, and what its tables have of their own.

    All tables of a stream are followed by as many workers as one of them asks for: a partition of the stream goes on
    only when all of its tables are there.
    A table that reads tables only goes its own way with its changelog and its repartition topic.
    """
    found = []
    for stream in plan.streams.values():
        changelogs = frozenset(table.changelog for table in stream.tables)
        between = frozenset(table.repartition for table in stream.tables if table.repartition)
        followers = max((table.table.standby for table in stream.tables), default=0)
        found.append(Tie(changelogs | between | {stream.stream.topic}, changelogs, followers, waits=True))
    for topic, table in plan.rekeyed.items():
        if plan.streams.keys().isdisjoint(table.table.sources):
            own = frozenset({table.changelog})
            found.append(Tie(own | {topic}, own, table.table.standby, waits=True))
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
        ready=claim.ready,
        warming=claim.warming,
    )


def _ties(claims: Iterable[Claim], counts: Mapping[str, int]) -> list[Tie]:
    """Return what belongs together by any worker; a topic that one of them declares is stock for none."""
    claims = list(claims)
    ties = {tie for claim in claims for tie in claim.ties}
    known = frozenset[str]().union(*(tie.topics for tie in ties))
    stock = [
        replace(claim.stock, topics=claim.stock.topics - known, state=claim.stock.state - known) for claim in claims
    ]
    return [*ties, *(tie for each in stock for tie in by_count(each, counts))]


def _counts(cluster: Any, topics: Iterable[str]) -> dict[str, int]:
    found = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
    missing = sorted(topic for topic, count in found.items() if not count)
    if missing:
        logger.warning("topics that do not exist are given to nobody: %s", ", ".join(missing))
    return {topic: count for topic, count in found.items() if count}


def _by_url(claims: Mapping[str, Claim], given: Mapping[str, Mapping[str, list[int]]]) -> dict[str, Topics]:
    """Return url -> what this worker was given; workers that say the same url (by mistake) are seen as one."""
    held: dict[str, list[Mapping[str, list[int]]]] = {}
    for name, topics in given.items():
        held.setdefault(claims[name].url, []).append(topics)
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
