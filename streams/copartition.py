"""Which topics belong together, by what all workers of a group know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streams.assignment import Group


@dataclass(frozen=True)
class Tie:
    """Topics that one worker needs together.

    Args:
        topics: their names.
        state: those that a standby follows.
        standby: followers that each partition should have.
        waits: whether followers say when they are ready, so that a partition can wait for one.
    """

    topics: frozenset[str]
    state: frozenset[str] = frozenset()
    standby: int = 0
    waits: bool = False


def by_count(tie: Tie, counts: Mapping[str, int]) -> list[Tie]:
    """Cut a tie into one for each number of partitions, as Faust groups the topics of agents and tables.

    Args:
        tie: of any topics.
        counts: topic -> partitions; topics that are not there are left out.
    """
    sizes = sorted({counts[topic] for topic in tie.topics if topic in counts})
    found = [frozenset(topic for topic in tie.topics if counts.get(topic) == size) for size in sizes]
    return [Tie(topics, tie.state & topics, tie.standby, tie.waits) for topics in found]


def groups(ties: Iterable[Tie], counts: Mapping[str, int]) -> list[Group]:
    """Join ties that have a topic in common, so that no topic is in two groups.

    Workers of two versions tie other topics; what any of them needs together stays together for all.

    Args:
        ties: of all workers, in any order.
        counts: topic -> partitions; topics that are not there do not exist and are left out.

    Returns:
        Groups, each with the most standbys that one of its ties asks for, in the order of their first topics.
    """
    joined: list[Tie] = []
    for tie in ties:
        apart = [each for each in joined if each.topics.isdisjoint(tie.topics)]
        touched = [each for each in joined if not each.topics.isdisjoint(tie.topics)]
        joined = [*apart, _join(tie, *touched)]
    found = [_group(tie, counts) for tie in sorted(joined, key=lambda tie: sorted(tie.topics))]
    return [group for group in found if group.topics]


def _join(*ties: Tie) -> Tie:
    topics = frozenset[str]().union(*(tie.topics for tie in ties))
    state = frozenset[str]().union(*(tie.state for tie in ties))
    return Tie(topics, state, max(tie.standby for tie in ties), any(tie.waits for tie in ties))


def _group(tie: Tie, counts: Mapping[str, int]) -> Group:
    there = {topic: counts[topic] for topic in sorted(tie.topics) if topic in counts}
    return Group(topics=there, state=tie.state & there.keys(), standby=tie.standby, waits=tie.waits)
