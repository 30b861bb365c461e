"""`{session: 5m}`: windows of activity, which end when a key is silent for longer than the gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tables.durations import parse, render
from tables.windows.base import GRACE_OPTION, Option, Window
from tables.windows.ends import Ends

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Session(Window):
    """Windows of one key that begin with a row, and to which each row belongs that is at most `gap` from its neighbour.

    As in Kafka Streams a session is `[first, last + gap + 1 ms)`, of its first and its last row; a row that is at most
    the gap away from two sessions makes them one.

    Args:
        gap: most ms between two neighbouring rows of a session.
        grace: as in `Window`.
    """

    kind: ClassVar[str] = "session"
    options: ClassVar[tuple[Option, ...]] = (
        Option("session", "Silence of a key after which its next row begins another session.", least=1, argument="gap"),
        GRACE_OPTION,
    )
    example: ClassVar[str] = "{session: 5m}"
    unaligned: ClassVar[bool] = True

    gap: int

    def __post_init__(self) -> None:
        """Refuse sessions of one instant."""
        if self.gap <= 0:
            raise ValueError("the gap of a session must be longer than 0s; write for example session('5m')")

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return a plain one and one without grace."""
        return cls(10_000, grace=5_000), cls(10_000, grace=0)

    def panes(self) -> Ends:
        """Return the arithmetic of their ends."""
        return Ends(self.gap + 1, self.grace)

    @property
    def longest(self) -> int:
        """How long a session lasts after its last row; it has no greatest length, but is kept as from that row."""
        return self.gap + 1

    @property
    def interval(self) -> int:
        """The gap."""
        return self.gap

    def shape(self) -> Any:
        """Return the kind and the gap."""
        return [self.kind, self.gap]

    def words(self) -> str:
        """Return what they are, in words."""
        return f"sessions, each until {render(self.gap)} of silence of its key"


def session(gap: str, *, grace: str = "10s") -> Session:
    """Return windows of activity of each key: `session("5m")`.

    Args:
        gap: two rows with no more than this between them are in one session; durations are text, such as "5m".
        grace: how long after its end a session stays open, in event time.

    Raises:
        ValueError: an argument is no duration, or `gap` is 0.
    """
    return Session(parse(gap), grace=parse(grace))
