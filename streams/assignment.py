"""Which worker gets which partitions: sticky, balanced, copartitioned. Pure: the group protocol is elsewhere.

Topics that belong together form a *group*; partition p of all of them is one *unit*, and a unit lies on one worker.
Every unit stays where it was, unclaimed ones go to whoever has least, and then single units move from the fullest to
the emptiest until all differ by at most one, first within each group, then over all groups. Started from the old
placement, these are the fewest moves that balance a group, because any of its workers can take any of its units.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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
    """

    id: str
    topics: frozenset[str]
    generation: int = 0
    active: Mapping[str, Collection[int]] = field(default_factory=dict)
    standby: Mapping[str, Collection[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Topics whose equal partition numbers stay on one worker.

    Args:
        topics: name -> number of partitions.
        state: those of them that a standby follows (changelogs).
        standby: how many other workers follow each partition.
    """

    topics: Mapping[str, int]
    state: frozenset[str] = frozenset()
    standby: int = 0

    @property
    def units(self) -> range:
        """The partition numbers to be placed; a topic that has fewer is not part of the last."""
        return range(max(self.topics.values(), default=0))


@dataclass(frozen=True)
class Assigned:
    """What one worker gets.

    Args:
        active: topic -> partitions to work on, rising.
        standby: topic -> partitions to follow, rising.
    """

    active: dict[str, list[int]] = field(default_factory=dict)
    standby: dict[str, list[int]] = field(default_factory=dict)


def assign(members: Iterable[Member], groups: Iterable[Group]) -> dict[str, Assigned]:
    """Place the units of all groups.

    A unit goes to a member that subscribes to a topic of its group, and brings those topics that this member subscribes
    to. Where versions of an app with different topics are mixed, the others wait until the unit is with a member that
    knows them: apart from the rest of their group nothing could be done with them.

    Args:
        members: all workers, in any order.
        groups: in any order; no topic is in two of them.

    Returns:
        By member id; a member for which nothing is left gets an empty one.
    """
    everyone = sorted(members, key=lambda member: member.id)
    ordered = sorted(groups, key=lambda group: sorted(group.topics))
    total = dict.fromkeys((member.id for member in everyone), 0)
    placed = [(group, _places(group, everyone, total)) for group in ordered]
    for _, places in placed:
        places.fill()
    for _, places in placed:
        places.level()
    spread([places for _, places in placed], total)
    given = {member.id: Assigned() for member in everyone}
    for group, places in placed:
        _hand_out(group, places, {member.id: member for member in everyone}, given)
    return given


def _places(group: Group, members: Iterable[Member], total: dict[str, int]) -> Places:
    able = [member for member in members if not member.topics.isdisjoint(group.topics)]
    active = _claims(group, [(member, member.active) for member in able])
    warm = _claims(group, [(member, member.standby) for member in able])
    claimed = {unit: names[0] for unit, names in active.items()}
    return Places([member.id for member in able], group.units, claimed, warm, total)


def _claims(group: Group, held: Iterable[tuple[Member, Mapping[str, Collection[int]]]]) -> dict[int, list[str]]:
    """Return unit -> members that claim it: the newest generation first, then who holds more of its topics."""
    strength: dict[int, dict[str, tuple[int, int]]] = {}
    for member, topics in held:
        for topic in group.topics.keys() & topics.keys():
            for unit in set(topics[topic]).intersection(group.units):
                claims = strength.setdefault(unit, {})
                claims[member.id] = member.generation, claims.get(member.id, (0, 0))[1] + 1
    return {
        unit: sorted(claims, key=lambda name: (-claims[name][0], -claims[name][1], name))
        for unit, claims in strength.items()
    }


def _hand_out(group: Group, places: Places, members: Mapping[str, Member], given: Mapping[str, Assigned]) -> None:
    for unit, name in sorted(places.owners().items()):
        for topic in _topics(group, unit, members[name]):
            given[name].active.setdefault(topic, []).append(unit)
    for unit, names in sorted(standbys(places, group.standby).items()):
        for name in names:
            for topic in _topics(group, unit, members[name]):
                if topic in group.state:
                    given[name].standby.setdefault(topic, []).append(unit)


def _topics(group: Group, unit: int, member: Member) -> Iterator[str]:
    return (topic for topic in sorted(group.topics) if unit < group.topics[topic] and topic in member.topics)
