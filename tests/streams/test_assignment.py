"""Laws of the assignment: complete, disjoint, copartitioned, balanced, sticky, deterministic; also for mixed topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.assignment import Assigned, Group, Member, assign

Given = Mapping[str, Assigned]


@st.composite
def groups_of_topics(draw: st.DrawFn, most: int = 4, standby: int = 0) -> list[Group]:
    """Return groups of a source, its changelogs, and sometimes a topic with another number of partitions."""
    found = []
    for number in range(draw(st.integers(1, most))):
        count = draw(st.integers(1, 13))
        topics = {f"g{number}.source": count}
        changelogs = {f"g{number}.log{each}": count for each in range(draw(st.integers(0, 2)))}
        if draw(st.booleans()):
            topics[f"g{number}.other"] = draw(st.integers(1, 13))
        followers = draw(st.integers(0, standby))
        state = frozenset(changelogs)
        found.append(Group(topics=topics | changelogs, state=state, standby=followers, waits=followers > 0))
    return found


def topics_of(groups: Iterable[Group]) -> frozenset[str]:
    """Return the topics of all groups."""
    return frozenset(topic for group in groups for topic in group.topics)


def fresh(count: int, groups: Iterable[Group], first: int = 0) -> list[Member]:
    """Return members that hold nothing and know all topics."""
    return [Member(id=f"m{number:02}", topics=topics_of(groups)) for number in range(first, first + count)]


def after(members: Iterable[Member], assigned: Given, generation: int = 1, *, ready: bool = True) -> list[Member]:
    """Return the members as they are when they hold what they were given.

    Args:
        members: as they were before.
        assigned: what they were given.
        generation: in which they were.
        ready: whether they have read what they follow now; else only what they had read before.
    """
    return [
        replace(
            member,
            generation=generation,
            active=assigned[member.id].active,
            standby=assigned[member.id].standby,
            warming=assigned[member.id].warming,
            ready=assigned[member.id].standby if ready else member.ready,
        )
        for member in members
    ]


def owners(assigned: Given) -> dict[tuple[str, int], str]:
    """Return (topic, partition) -> member, of the active ones."""
    return {
        (topic, number): name
        for name, each in assigned.items()
        for topic, numbers in each.active.items()
        for number in numbers
    }


def units(group: Group, assigned: Given) -> dict[int, str]:
    """Return unit -> member of one group."""
    where = owners(assigned)
    return {
        unit: where[topic, unit]
        for topic, count in group.topics.items()
        for unit in range(count)
        if (topic, unit) in where
    }


def blocks(group: Group) -> list[range]:
    """Return the units of a group, cut where the number of its topics changes."""
    return [range(low, high) for low, high in pairwise(sorted({0, *group.topics.values()}))]


def moved(groups: Iterable[Group], before: Given, now: Given) -> int:
    """Return how many units have another owner than before."""
    return sum(
        units(group, before).get(unit, name) != name for group in groups for unit, name in units(group, now).items()
    )


def totals(groups: Iterable[Group], assigned: Given) -> Counter[str]:
    """Return how many units of all groups each member has."""
    found = Counter(dict.fromkeys(assigned, 0))
    for group in groups:
        found.update(units(group, assigned).values())
    return found


def even(counts: Counter[str]) -> bool:
    """Return whether members differ by at most one."""
    return not counts or max(counts.values()) - min(counts.values()) <= 1


def history(groups: Sequence[Group], sizes: Iterable[int]) -> list[Member]:
    """Return the members after a group grew and shrank through these sizes."""
    members: list[Member] = []
    for generation, size in enumerate(sizes, 1):
        members = [*members[:size], *fresh(max(0, size - len(members)), groups, first=generation * 20)]
        for _ in range(2):  # a worker that is new to a followed unit takes it over when it has read its state
            members = after(members, assign(members, groups), generation)
    return members


many = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@given(groups_of_topics(), many)
def test_every_partition_has_exactly_one_owner(groups: list[Group], sizes: list[int]) -> None:
    """All partitions of all topics are given, each to one member only."""
    assigned = assign(history(groups, sizes), groups)
    given_out = [
        (topic, number) for each in assigned.values() for topic, numbers in each.active.items() for number in numbers
    ]
    wanted = [(topic, number) for group in groups for topic, count in group.topics.items() for number in range(count)]
    assert sorted(given_out) == sorted(wanted)


@given(groups_of_topics(), many)
def test_partition_p_of_a_group_is_on_one_worker(groups: list[Group], sizes: list[int]) -> None:
    """Source, changelog and repartition topics of a group have partition p at the same member."""
    where = owners(assign(history(groups, sizes), groups))
    for group in groups:
        for unit in range(max(group.topics.values())):
            assert len({where[topic, unit] for topic, count in group.topics.items() if unit < count}) == 1


@given(groups_of_topics(most=7), many)
def test_members_differ_by_at_most_one(groups: list[Group], sizes: list[int]) -> None:
    """Of the units of a group with the same topics, and of all, no member has two more than another."""
    members = history(groups, sizes)
    assigned = assign(members, groups)
    for group in groups:
        for block in blocks(group):
            found = Counter(units(group, assigned)[unit] for unit in block)
            assert even(Counter(dict.fromkeys(assigned, 0) | found))
    assert even(totals(groups, assigned))


@given(groups_of_topics(most=7, standby=2), many)
def test_nothing_moves_without_a_cause(groups: list[Group], sizes: list[int]) -> None:
    """The same members with what they were given get the same again, standbys too; that one is ready is a cause."""
    members = history(groups, sizes)
    assigned = assign(members, groups)
    settled = not any(each.warming for each in assigned.values())
    assert assign(after(members, assigned, 9, ready=settled), groups) == assigned


@given(groups_of_topics(most=7, standby=2), many, st.randoms(use_true_random=False))
def test_the_order_of_members_and_groups_does_not_matter(groups: list[Group], sizes: list[int], random: Random) -> None:
    """Whoever leads the group finds the same placement."""
    members = history(groups, sizes)
    shuffled, others = list(members), list(groups)
    random.shuffle(shuffled)
    random.shuffle(others)
    assert assign(shuffled, others) == assign(members, groups)


@given(st.integers(1, 200), st.integers(1, 12))
def test_a_new_member_takes_its_share_and_nothing_else_moves(count: int, size: int) -> None:
    """From n to n + 1 members, one group: exactly the units move that the new one gets, at most ceil(P / (n + 1))."""
    groups = [Group(topics={"source": count, "log": count})]
    members = history(groups, [size])
    before = assign(members, groups)
    now = assign([*members, *fresh(1, groups, first=90)], groups)
    assert moved(groups, before, now) == totals(groups, now)["m90"] <= ceil(count / (size + 1))


@given(st.integers(1, 200), st.integers(2, 12), st.data())
def test_only_the_units_of_a_member_that_left_move(count: int, size: int, data: st.DataObject) -> None:
    """From n to n - 1 members, one group: exactly the units move that the leaver had."""
    groups = [Group(topics={"source": count, "log": count})]
    members = history(groups, [size])
    before = assign(members, groups)
    gone = data.draw(st.sampled_from(members))
    now = assign([member for member in members if member is not gone], groups)
    assert moved(groups, before, now) == totals(groups, before)[gone.id]


@given(groups_of_topics(most=7), many, st.booleans())
def test_with_several_groups_a_change_moves_a_share_and_at_most_one_unit_of_each(
    groups: list[Group],
    sizes: list[int],
    joins: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    """That totals stay even costs at most one further unit of each group, beside those of who came or left."""
    members = history(groups, sizes)
    before = assign(members, groups)
    others = [*members, *fresh(1, groups, first=190)] if joins else members[1:]
    if others:
        now = assign(others, groups)
        share = totals(groups, now)["m190"] if joins else totals(groups, before)[members[0].id]
        assert moved(groups, before, now) <= share + sum(len(blocks(group)) for group in groups)


@pytest.mark.parametrize(("size", "partitions", "streams"), [(3, 12, 2), (9, 100, 5), (10, 30, 7), (4, 1, 15)])
def test_equal_streams_move_no_more_than_the_share(size: int, partitions: int, streams: int) -> None:
    """With several streams of one size, too, only what the new member gets, or the leaver had, moves."""
    groups = [Group(topics={f"g{number:02}": partitions}) for number in range(streams)]
    members = history(groups, [size])
    before = assign(members, groups)
    joined = assign([*members, *fresh(1, groups, first=90)], groups)
    assert moved(groups, before, joined) == totals(groups, joined)["m90"] == partitions * streams // (size + 1)
    left = assign(members[1:], groups)
    assert moved(groups, before, left) == totals(groups, before)[members[0].id]


@given(groups_of_topics(), st.integers(1, 20))
def test_more_members_than_partitions_and_back(groups: list[Group], size: int) -> None:
    """Members without work hold nothing; as soon as there is work for them they have it."""
    members = history(groups, [1, 20, size])
    assigned = assign(members, groups)
    work = sum(max(group.topics.values()) for group in groups)
    assert sum(count > 0 for count in totals(groups, assigned).values()) == min(work, size)


@given(groups_of_topics(), st.integers(2, 6), st.integers(1, 5))
def test_a_stale_claim_loses(groups: list[Group], size: int, zombies: int) -> None:
    """Members that come back from an older generation get no unit by their old claim that a newer owner has."""
    old = history(groups, [zombies])
    members = [replace(member, id=f"n{member.id}", generation=7) for member in history(groups, [size])]
    stale = [replace(member, id=f"a{member.id}", generation=3) for member in old]
    expected = assign([*members, *(replace(each, active={}) for each in stale)], groups)
    assert assign([*members, *stale], groups) == expected


@st.composite
def mixed(draw: st.DrawFn) -> tuple[list[Group], list[Member]]:
    """Return groups, and members of which each knows some of the topics."""
    groups = draw(groups_of_topics())
    names = sorted(topics_of(groups))
    known = st.frozensets(st.sampled_from(names), min_size=1)
    members = [
        Member(id=f"m{number}", topics=draw(known), generation=number % 3, active=draw(claims(names)))
        for number in range(draw(st.integers(1, 6)))
    ]
    return groups, members


def claims(names: Sequence[str]) -> st.SearchStrategy[dict[str, list[int]]]:
    """Return any claims, also of partitions and topics that are not there any more."""
    return st.dictionaries(st.sampled_from([*names, "gone"]), st.lists(st.integers(0, 15), unique=True), max_size=4)


@given(mixed())
def test_a_partition_goes_only_to_who_subscribes_to_its_topic(case: tuple[list[Group], list[Member]]) -> None:
    """Whatever the members know and claim, nobody gets a topic that it does not subscribe to."""
    groups, members = case
    known = {member.id: member.topics for member in members}
    for name, each in assign(members, groups).items():
        assert each.active.keys() <= known[name]


@given(mixed())
def test_mixed_subscriptions_keep_groups_together(case: tuple[list[Group], list[Member]]) -> None:
    """Each unit lies on one member that knows some of its group, and that has all of the unit that it knows."""
    groups, members = case
    assigned = assign(members, groups)
    where = owners(assigned)
    known = {member.id: member.topics for member in members}
    for group in groups:
        able = {name for name in known if known[name] & group.topics.keys()}
        found = units(group, assigned)
        for unit, name in found.items():
            wanted = {topic for topic, count in group.topics.items() if unit < count} & known[name]
            assert {topic for topic in group.topics if where.get((topic, unit)) == name} == wanted
            assert {where.get((topic, unit), name) for topic in group.topics} == {name}
        if able and all(known[name] >= group.topics.keys() for name in able):
            assert set(found) == set(range(max(group.topics.values())))


@given(mixed())
def test_mixed_subscriptions_settle(case: tuple[list[Group], list[Member]]) -> None:
    """While versions are mixed, too, nothing moves the second time."""
    groups, members = case
    assigned = assign(members, groups)
    held = after(members, assigned, 9)
    again = assign(held, groups)
    assert all(units(group, again) == units(group, assigned) for group in groups)


def test_an_upgrade_gives_the_new_table_to_whoever_knows_it_and_ends_complete() -> None:
    """While one of two workers is upgraded, the new changelog is only where its source is; then it is everywhere."""
    old = frozenset({"source", "log"})
    new = old | {"added"}
    groups = [Group(topics={"source": 4, "log": 4, "added": 4})]
    members = [Member(id="a", topics=old), Member(id="b", topics=old)]
    members = after(members, assign(members, groups))
    upgraded = [members[0], replace(members[1], topics=new)]
    half = assign(upgraded, groups)
    assert half["a"].active == {"source": [0, 2], "log": [0, 2]}
    assert half["b"].active == {"source": [1, 3], "log": [1, 3], "added": [1, 3]}
    whole = assign([replace(each, topics=new) for each in after(upgraded, half, 2)], groups)
    assert whole["a"].active == {topic: [0, 2] for topic in new}
    assert whole["b"] == half["b"]


@settings(max_examples=60)
@given(groups_of_topics(standby=3), many)
def test_standbys_are_on_other_members_and_even(groups: list[Group], sizes: list[int]) -> None:
    """Each changelog partition is followed by as many others as asked for, as far as there are; loads differ by one."""
    members = history(groups, sizes)
    assigned = assign(members, groups)
    where = owners(assigned)
    for group in groups:
        followers = {
            (topic, number): [name for name, each in assigned.items() if number in each.standby.get(topic, ())]
            for topic in group.state
            for number in range(group.topics[topic])
        }
        for at, names in followers.items():
            assert len(names) == min(group.standby, len(members) - 1)
            assert where[at] not in names
        for topic in group.state:
            for block in blocks(group):
                load = Counter(dict.fromkeys(assigned, 0))
                load.update(name for unit in block for name in followers.get((topic, unit), ()))
                assert even(load)
    followed = {topic for each in assigned.values() for topic in each.standby}
    assert followed <= {topic for group in groups for topic in group.state}


@given(st.integers(2, 40), st.integers(3, 6), st.data())
def test_units_of_a_failed_member_go_to_their_standbys(count: int, size: int, data: st.DataObject) -> None:
    """Every unit of a failed member goes to its follower at once; what that makes uneven moves when it is warm.

    Of 21 units on 6 members, the 3 of one that fails may be followed by two that have as many as anybody should have.
    """
    groups = [Group(topics={"source": count, "log": count}, state=frozenset({"log"}), standby=1, waits=True)]
    members = history(groups, [size])
    gone = data.draw(st.sampled_from(members))
    left = [member for member in members if member is not gone]
    assigned = assign(left, groups)
    for unit, owner in units(groups[0], assigned).items():
        warm = [each for each in left if unit in {*each.active.get("log", ()), *each.standby.get("log", ())}]
        assert owner in {each.id for each in warm}
    assert even(totals(groups, assign(after(left, assigned, 9), groups)))


@given(groups_of_topics(most=5, standby=2), many, st.integers(1, 9))
def test_a_followed_unit_moves_only_to_who_has_its_state(groups: list[Group], sizes: list[int], size: int) -> None:
    """Whoever joins gets no unit whose state another has; it follows it first, beside its standbys."""
    before = history(groups, sizes)
    members = [*before[:size], *fresh(max(0, size - len(before)), groups, first=190)]
    assigned = assign(members, groups)
    for group in groups:
        for topic in group.state if group.standby else ():
            for unit, owner in units(Group(topics={topic: group.topics[topic]}), assigned).items():
                had = {each.id for each in members if unit in each.active.get(topic, ())}
                knew = {each.id for each in members if unit in each.standby.get(topic, ())}
                ready = {each.id for each in members if all(unit in each.ready.get(t, ()) for t in group.state)}
                assert owner in (had | ready or knew or {owner})
                warming = [name for name, each in assigned.items() if unit in each.warming.get(topic, ())]
                assert all(unit in assigned[name].standby[topic] and name not in had for name in warming)
                assert len(warming) <= 1


@given(groups_of_topics(most=5, standby=2), many, st.integers(1, 9))
def test_when_all_are_ready_the_work_is_even(groups: list[Group], sizes: list[int], size: int) -> None:
    """In a few rounds, in each of which they have read what they follow, nothing waits and all have their share."""
    before = history(groups, sizes)
    members = [*before[:size], *fresh(max(0, size - len(before)), groups, first=190)]
    for generation in range(7, 7 + 2 + len(groups)):
        now = assign(members, groups)
        members = after(members, now, generation)
    assert not any(each.warming for each in now.values())
    assert even(totals(groups, now))


def test_of_two_followers_the_one_that_is_ready_takes_over() -> None:
    """A unit without owner goes to a follower that has read all of its changelogs before one that has not."""
    topics = frozenset({"source", "log", "log2"})
    groups = [Group(topics=dict.fromkeys(topics, 1), state=frozenset({"log", "log2"}), standby=2, waits=True)]
    follows = {"log": [0], "log2": [0]}
    members = [
        Member(id="a", topics=topics, generation=3, standby=follows, ready={"log": [0]}),
        Member(id="b", topics=topics, generation=3, standby=follows, ready=follows),
        Member(id="c", topics=topics, generation=3),
    ]
    assert assign(members, groups)["b"].active == {topic: [0] for topic in topics}


@given(st.integers(4, 60), st.integers(3, 6))
def test_standbys_of_those_who_stay_stay(count: int, size: int) -> None:
    """When a member joins, at most its own share of followed units and of active ones changes hands."""
    groups = [Group(topics={"source": count, "log": count}, state=frozenset({"log"}), standby=1, waits=True)]
    members = history(groups, [size])
    now = assign([*members, *fresh(1, groups, first=90)], groups)
    kept = sum(
        len(set(now[member.id].standby.get("log", ())) & set(member.standby.get("log", ()))) for member in members
    )
    new = len(now["m90"].standby.get("log", ())) + len(now["m90"].active.get("log", ()))
    assert kept >= count - 2 * new


def test_nobody_and_nothing() -> None:
    """No members or no topics are no error."""
    assert assign([], [Group(topics={"source": 2})]) == {}
    assert assign([Member(id="a", topics=frozenset())], []) == {"a": Assigned()}
    assert assign([Member(id="a", topics=frozenset())], [Group(topics={"source": 2})]) == {"a": Assigned()}
