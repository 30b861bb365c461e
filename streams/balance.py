"""Balancing units over members by single moves: first within one group, then over all groups together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType


class Places:
    """Which member has which units of one group.

    Args:
        members: those that can take any unit of the group, in order.
        units: to be placed.
        claimed: unit -> member that had it, or was to have it.
        warm: unit -> members that followed it, newest claim first.
        total: member -> units that it has of all groups; kept up to date.
        home: unit -> member that had it; None if that is so for all that are claimed.
        ready: unit -> members that have followed it to the end of its changelogs.

    Attributes:
        home: unit -> member that has its state; units of which nobody has any are left out.
    """

    def __init__(  # noqa: PLR0913 - what is known of the units, half of it with a default
        self,
        members: Sequence[str],
        units: Iterable[int],
        claimed: Mapping[int, str],
        warm: Mapping[int, Sequence[str]],
        total: dict[str, int],
        *,
        home: Mapping[int, str] | None = None,
        ready: Mapping[int, Collection[str]] = MappingProxyType({}),
    ) -> None:
        """Leave every unit where it was; those that nobody had are not placed yet."""
        self.ready = ready
        self.members, self.units, self.claimed, self.warm, self.total = members, tuple(units), claimed, warm, total
        self.held: dict[str, set[int]] = {member: set() for member in members}
        self._had = claimed if home is None else home
        self.home = dict(self._had)
        for unit, member in claimed.items():
            self._give(unit, member)

    def load(self, member: str) -> tuple[int, int, str]:
        """Return what members are compared by: units of this group, then of all; the id decides among equals."""
        return len(self.held[member]), self.total[member], member

    def owners(self) -> dict[int, str]:
        """Return unit -> member."""
        return {unit: member for member, held in self.held.items() for unit in held}

    def fill(self) -> None:
        """Give the units that nobody had to whoever followed them, else to whoever has least."""
        for unit in self.units:
            if not self.members or unit in self.claimed:
                continue
            if warm := self.warm.get(unit):
                ready = [member for member in warm if member in self.ready.get(unit, ())]
                self.home[unit] = min(ready or warm, key=self.load)
            self._give(unit, self.home.get(unit) or min(self.members, key=self.load))

    def level(self) -> None:
        """Move units from the fullest to the emptiest until all differ by at most one."""
        while self.members:
            low, high = min(self.members, key=self.load), max(self.members, key=self.load)
            if len(self.held[high]) - len(self.held[low]) <= 1:
                return
            self.move(self.cheapest(high, low)[1], high, low)

    def cheapest(self, high: str, low: str) -> tuple[int, int]:
        """Return (price, unit) of the unit of `high` that is best moved to `low`; the price is state to be restored."""
        return min((self._price(unit, low) - self._price(unit, high), unit) for unit in self.held[high])

    def hold_back(self) -> dict[int, str]:
        """Leave each unit where its state is until the member that is to have it is ready.

        Returns:
            Unit -> member that is to have it.
        """
        early = {
            unit: member
            for unit, member in self.owners().items()
            if unit in self.home and self.home[unit] != member and member not in self.ready.get(unit, ())
        }
        for unit, member in early.items():
            self.move(unit, member, self.home[unit])
        return early

    def move(self, unit: int, high: str, low: str) -> None:
        """Take a unit from one member and give it to another."""
        self.held[high].remove(unit)
        self.total[high] -= 1
        self._give(unit, low)

    def _give(self, unit: int, member: str) -> None:
        self.held[member].add(unit)
        self.total[member] += 1

    def _price(self, unit: int, member: str) -> int:
        """Return what it costs that a member takes a unit: it had it, it followed it, or it knows nothing of it."""
        if self._had.get(unit) == member:
            return 0
        return 1 if member in self.warm.get(unit, ()) else 2


def spread(groups: Sequence[Places], total: Mapping[str, int]) -> None:
    """Move units from members that have most of all groups to those that have least, while each group stays balanced.

    Among members that can take the same groups there always is such a move while two differ by more than one: then the
    fuller one has more of at least one group, and within a balanced group more means one more.

    Args:
        groups: each of them balanced.
        total: member -> units that it has of all groups.
    """
    while (found := _move(groups, total)) is not None:
        places, unit, high, low = found
        places.move(unit, high, low)


def _move(groups: Sequence[Places], total: Mapping[str, int]) -> tuple[Places, int, str, str] | None:
    ordered = sorted(total, key=lambda member: (total[member], member))
    for high in reversed(ordered):
        for low in ordered:
            if total[high] - total[low] <= 1:
                break
            found = [
                (*places.cheapest(high, low), number)
                for number, places in enumerate(groups)
                if high in places.held and low in places.held and len(places.held[high]) > len(places.held[low])
            ]
            if found:
                _, unit, number = min(found)
                return groups[number], unit, high, low
    return None
