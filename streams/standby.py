"""Which members follow the units of others, ready to take over."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from streams.balance import Places


def standbys(places: Places, count: int, warming: Mapping[int, str] | None = None) -> dict[int, list[str]]:
    """Choose followers of every unit of a group.

    Whoever followed a unit goes on, then whoever had it; new followers are those that follow least of the same member's
    units, so that all others share the units of one that fails. The load is then made even along chains of moves: when
    no chain makes it more even, no other choice does (Harvey, Ladner, Lovasz and Tamir, 2006: Semi-matchings for
    bipartite graphs and load balancing).

    Args:
        places: where the units are.
        count: followers of each unit; fewer where there are not so many other members.
        warming: unit -> member that follows it only until it takes it over; it comes on top and is not chosen.

    Returns:
        Unit -> members, none of which has the unit itself.
    """
    chosen = Followers(places, count, warming or {})
    chosen.keep()
    chosen.fill()
    while chosen.relax():
        pass
    return chosen.of


class Followers:
    """The choice while it is made.

    Args:
        places: where the units are.
        count: followers of each unit.
        warming: unit -> member that is not chosen.
    """

    def __init__(self, places: Places, count: int, warming: Mapping[int, str]) -> None:
        """Begin with none."""
        self._places = places
        self._count = max(count, 0)
        self._warming = warming
        self._active = places.owners()
        self._load = dict.fromkeys(places.members, 0)
        self._pairs: Counter[tuple[str, str]] = Counter()
        self.of: dict[int, list[str]] = {unit: [] for unit in self._active}

    def keep(self) -> None:
        """Let those go on that have the state."""
        for unit in self.of:
            had = self._places.home.get(unit)
            for member in (*self._places.warm.get(unit, ()), *([had] if had else [])):
                if len(self.of[unit]) < self._wanted(unit) and self._may(unit, member):
                    self._add(unit, member)

    def fill(self) -> None:
        """Give every unit the followers that it lacks."""
        for unit, followers in self.of.items():
            active = self._active[unit]
            while len(followers) < self._wanted(unit):
                free = [member for member in self._places.members if self._may(unit, member)]
                self._add(unit, min(free, key=lambda each: (self._pairs[active, each], *self._rank(each))))

    def relax(self) -> bool:
        """Move followers along a chain from a member to one that follows at least two less; return whether it could."""
        for high in sorted(self._load, key=self._rank, reverse=True):
            chain = self._chain(high)
            if chain:
                for unit, giver, taker in chain:
                    self._remove(unit, giver)
                    self._add(unit, taker)
                return True
        return False

    def _chain(self, high: str) -> list[tuple[int, str, str]]:
        """Return the shortest chain of moves (unit, from, to) that begins at a member; empty if none helps."""
        came: dict[str, tuple[int, str]] = {}
        queue = deque([high])
        while queue:
            giver = queue.popleft()
            for taker in sorted(self._load.keys() - came.keys() - {high}, key=self._rank):
                unit = self._movable(giver, taker)
                if unit is None:
                    continue
                came[taker] = unit, giver
                if self._load[high] - self._load[taker] > 1:
                    return _back(came, taker, high)
                queue.append(taker)
        return []

    def _movable(self, giver: str, taker: str) -> int | None:
        found = [unit for unit, members in self.of.items() if giver in members and self._may(unit, taker)]
        return min(found, key=lambda unit: (giver in self._places.warm.get(unit, ()), unit), default=None)

    def _wanted(self, unit: int) -> int:
        """Return how many followers a unit gets; no more than there are members that may."""
        return max(0, min(self._count, len(self._places.members) - len({self._active[unit], *self._out(unit)})))

    def _may(self, unit: int, member: str) -> bool:
        return member not in {self._active[unit], *self._out(unit), *self.of[unit]}

    def _out(self, unit: int) -> list[str]:
        return [self._warming[unit]] if unit in self._warming else []

    def _rank(self, member: str) -> tuple[int, int, str]:
        return self._load[member], self._places.total[member], member

    def _add(self, unit: int, member: str) -> None:
        self.of[unit].append(member)
        self._load[member] += 1
        self._pairs[self._active[unit], member] += 1

    def _remove(self, unit: int, member: str) -> None:
        self.of[unit].remove(member)
        self._load[member] -= 1
        self._pairs[self._active[unit], member] -= 1


def _back(came: Mapping[str, tuple[int, str]], last: str, first: str) -> list[tuple[int, str, str]]:
    chain = []
    while last != first:
        unit, giver = came[last]
        chain.append((unit, giver, last))
        last = giver
    return chain
