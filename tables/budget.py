"""How much memory the open cells of a worker may take, and what share of it each table partition has."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Share:
    """What one table partition may take.

    Args:
        budget: that it is a part of.
        used: bytes that its cells take, as it said last.
    """

    budget: Budget
    used: int = 0

    @property
    def allowed(self) -> int:
        """Bytes: an equal part of what is left by those that need less than theirs."""
        left = max(0, self.budget.size - self.budget.apart * len(self.budget.shares))
        others = sorted(each.used for each in self.budget.shares if each is not self)
        for number, used in enumerate(others):
            fair = left // (len(others) - number + 1)
            if used > fair:
                return fair
            left -= used
        return left

    def end(self) -> None:
        """Leave it to the others."""
        self.budget.shares = [each for each in self.budget.shares if each is not self]


@dataclass(slots=True)
class Budget:
    """The memory of all open cells.

    Args:
        size: bytes.
        apart: bytes that each table partition takes besides its cells.
        shares: of the table partitions that there are.
    """

    size: int
    apart: int = 0
    shares: list[Share] = field(default_factory=list)

    def share(self) -> Share:
        """Return a new share, of which nothing is used."""
        made = Share(self)
        self.shares.append(made)
        return made
