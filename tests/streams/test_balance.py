"""Single moves: which unit is taken from whom."""

from __future__ import annotations

from streams.balance import Places, spread


def test_state_that_is_there_is_kept() -> None:
    """A unit without owner goes to its standby; if that has too many, what it only followed goes on, not its own."""
    total = {"a": 0, "b": 0}
    places = Places(["a", "b"], range(4), {0: "a", 1: "a"}, {2: ["a"], 3: ["a"]}, total)
    places.fill()
    assert places.held == {"a": {0, 1, 2, 3}, "b": set()}
    places.level()
    assert places.held == {"a": {0, 1}, "b": {2, 3}}
    assert total == {"a": 2, "b": 2}


def test_a_unit_goes_to_who_followed_it() -> None:
    """Of the units that must move, those move whose state is already there."""
    places = Places(["a", "b"], range(4), dict.fromkeys(range(4), "a"), {3: ["b"]}, {"a": 0, "b": 0})
    places.level()
    assert places.owners() == {0: "b", 1: "a", 2: "a", 3: "b"}


def test_groups_of_one_unit_are_spread() -> None:
    """Groups that are even by themselves, all with their unit on one member, are shared out; what nobody had moves."""
    total = {"a": 0, "b": 0}
    claims: list[dict[int, str]] = [{0: "a"}, {0: "a"}, {}, {}]
    groups = [Places(["a", "b"], range(1), claimed, {}, total) for claimed in claims]
    for places in groups[2:]:
        places.warm = {0: ["a"]}
        places.fill()
    spread(groups, total)
    assert [places.owners()[0] for places in groups] == ["a", "a", "b", "b"]


def test_members_that_cannot_take_a_group_get_none_of_it() -> None:
    """Without a possible move the totals stay as they are."""
    total = {"a": 0, "b": 0}
    groups = [Places(["a"], range(1), {}, {}, total) for _ in range(3)]
    for places in groups:
        places.fill()
    spread(groups, total)
    assert total == {"a": 3, "b": 0}
