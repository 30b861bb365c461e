"""Which worker gets which partitions: sticky, balanced, copartitioned. Pure: the group protocol is elsewhere.

Topics that belong together form a *group*; partition p of all of them is one *unit*, and a unit lies on one worker.
Every unit stays where it was, unclaimed ones go to whoever has least, and then single units move from the fullest to
the emptiest until all differ by at most one, first within each group, then over all groups. Started from the old
placement, these are the fewest moves that balance a group, because any of its workers can take any of its units.

Where units are followed, one moves only to a worker that is ready: until then it stays where its state is, and the
worker follows it beside the others (as Kafka's KIP-441 does; there a probe looks for those that are ready, here the
worker asks for a new assignment when it is).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from streams.balance import Places, spread
from streams.standby import standbys


@dataclass(frozen=True, kw_only=True)
class Member:
    """One worker that takes part.

    Args:
        id: tells it from the others.
        topics: what it subscribes to.
        generation: of the group, when it got what it holds; a newer claim beats an older one.
        active: topic -> partitions that it held.
        standby: topic -> partitions that it followed.
        ready: topic -> partitions that it follows and has read to the end.
        warming: topic -> partitions that it was to get when it is ready.
    """

    id: str
    topics: frozenset[str]
    generation: int = 0
    active: Mapping[str, Collection[int]] = field(default_factory=dict)
    standby: Mapping[str, Collection[int]] = field(default_factory=dict)
    ready: Mapping[str, Collection[int]] = field(default_factory=dict)
    warming: Mapping[str, Collection[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Topics whose equal partition numbers stay on one worker.

    Args:
        topics: name -> number of partitions.
        state: those of them that a standby follows (changelogs).
        standby: how many other workers follow each partition.
        waits: whether a followed partition waits where it is until the worker that is to have it is ready.
    """

    topics: Mapping[str, int]
    state: frozenset[str] = frozenset()
    standby: int = 0
    waits: bool = False


@dataclass(frozen=True)
class Assigned:
    """What one worker gets.

    Args:
        active: topic -> partitions to work on, rising.
        standby: topic -> partitions to follow, rising.
        warming: those of them that it gets as soon as it is ready.
    """

    active: dict[str, list[int]] = field(default_factory=dict)
    standby: dict[str, list[int]] = field(default_factory=dict)
    warming: dict[str, list[int]] = field(default_factory=dict)


def assign(members: Iterable[Member], groups: Iterable[Group]) -> dict[str, Assigned]:
    """Place the units of all groups.

    A unit goes to a member that subscribes to one of its topics, and brings those that this member subscribes to. Where
    versions of an app with different topics are mixed, the others wait until the unit is with a member that knows them:
    apart from the rest of their group nothing could be done with them.

    Args:
        members: all workers, in any order.
        groups: in any order; no topic is in two of them.

    Returns:
        By member id; a member for which nothing is left gets an empty one.
    """
    everyone = sorted(members, key=lambda member: member.id)
    blocks = [block for group in sorted(groups, key=lambda group: sorted(group.topics)) for block in _blocks(group)]
    total = dict.fromkeys((member.id for member in everyone), 0)
    placed = [_places(block, everyone, total) for block in blocks]
    for places in placed:
        places.fill()
    for places in placed:
        places.level()
    spread(placed, total)
    given = {member.id: Assigned() for member in everyone}
    for block, places in zip(blocks, placed, strict=True):
        warming = places.hold_back() if block.standby and block.waits else {}
        _hand_out(block, places, warming, {member.id: member for member in everyone}, given)
    return given


@dataclass(frozen=True)
class _Block:
    """Units of a group that have the same topics, so that a member that can take one can take all."""

    topics: frozenset[str]
    units: range
    state: frozenset[str]
    standby: int
    waits: bool


def _blocks(group: Group) -> list[_Block]:
    """Return the blocks of a group: one, if all of its topics have the same number of partitions."""
    found = []
    for low, high in pairwise([0, *sorted(set(group.topics.values()) - {0})]):
        topics = frozenset(topic for topic, count in group.topics.items() if count > low)
        found.append(_Block(topics, range(low, high), group.state & topics, group.standby, group.waits))
    return found


def _places(block: _Block, members: Iterable[Member], total: dict[str, int]) -> Places:
    """Begin where the units were, or were on their way to."""
    able = {member.id: member for member in members if not member.topics.isdisjoint(block.topics)}
    active = _claims(block, [(member, member.active) for member in able.values()])
    warm = _claims(block, [(member, member.standby) for member in able.values()])
    bound = _claims(block, [(member, member.warming) for member in able.values()])
    home = {unit: names[0] for unit, names in active.items()}
    claimed = dict(home)
    for unit, (name, *_) in bound.items():
        if unit in home and able[name].generation >= able[home[unit]].generation:
            claimed[unit] = name
    return Places(list(able), block.units, claimed, warm, total, home=home, ready=_ready(block, able.values()))


def _claims(block: _Block, held: Iterable[tuple[Member, Mapping[str, Collection[int]]]]) -> dict[int, list[str]]:
    """Return unit -> members that claim it: the newest generation first, then who holds more of its topics."""
    strength: dict[int, dict[str, tuple[int, int]]] = {}
    for member, topics in held:
        for topic in block.topics & topics.keys():
            for unit in set(topics[topic]).intersection(block.units):
                claims = strength.setdefault(unit, {})
                claims[member.id] = member.generation, claims.get(member.id, (0, 0))[1] + 1
    return {
        unit: sorted(claims, key=lambda name: (-claims[name][0], -claims[name][1], name))
        for unit, claims in strength.items()
    }


def _ready(block: _Block, members: Iterable[Member]) -> dict[int, list[str]]:
    """Return unit -> members that have read all of the unit's state that they know of."""
    return {
        unit: [
            member.id
            for member in members
            if all(unit in member.ready.get(topic, ()) for topic in block.state & member.topics)
        ]
        for unit in block.units
    }


def _hand_out(
    block: _Block,
    places: Places,
    warming: Mapping[int, str],
    members: Mapping[str, Member],
    given: Mapping[str, Assigned],
) -> None:
    for unit, name in sorted(places.owners().items()):
        for topic in sorted(block.topics & members[name].topics):
            given[name].active.setdefault(topic, []).append(unit)
    followers = standbys(places, block.standby, warming)
    for unit in sorted(followers):
        for name in followers[unit]:
            _enter(given[name].standby, block.state & members[name].topics, unit)
        if unit in warming:
            name = warming[unit]
            _enter(given[name].standby, block.state & members[name].topics, unit)
            _enter(given[name].warming, block.state & members[name].topics, unit)


def _enter(topics: dict[str, list[int]], names: Iterable[str], unit: int) -> None:
    for topic in sorted(names):
        topics.setdefault(topic, []).append(unit)
