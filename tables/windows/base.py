"""What a kind of window is: how it is declared, and what the rest of the house may ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tables.durations import render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from tables.windows.panes import Steps

GRACE = 10_000


@dataclass(frozen=True)
class Option:
    """One key of the mapping that declares a window.

    Kinds share an option by sharing the object. Its value, in ms where it is a duration, is the field of the kind that
    `argument` names.

    Args:
        name: the key.
        doc: a sentence for the reference.
        default: what is meant where the key is missing, for the reference; None must be given.
        takes: what the value must be.
        least: the least duration, in ms, or number.
        choices: the words, where it takes one of a few.
        argument: the field; None is `name`.
    """

    name: str
    doc: str
    default: str | None = None
    takes: Literal["duration", "choice", "zone", "number"] = "duration"
    least: int = 0
    choices: tuple[str, ...] = ()
    argument: str | None = None

    @property
    def field(self) -> str:
        """The field that holds the value."""
        return self.argument or self.name


GRACE_OPTION = Option("grace", "How long after its end a window stays open, in event time.", "10s")


@dataclass(frozen=True)
class Window(ABC):
    """The windows of a table as they are declared; equal when they say the same. All durations are in ms.

    Args:
        grace: how long after its end a window stays open, in event time.
    """

    kind: ClassVar[str]
    """The key that names the kind in a declaration; it is the name of its first option."""
    options: ClassVar[tuple[Option, ...]]
    """The keys of its mapping, the one that names it first."""
    example: ClassVar[str]
    """A mapping as it may stand in a declaration, for messages."""
    unaligned: ClassVar[bool] = False
    """Whether each key has windows of its own, which follow its rows."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Why it does not have some of the keys that others have."""

    grace: int = field(default=GRACE, kw_only=True)

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[Self, ...]:
        """Return a few declared instances for the laws to run over, with windows of seconds."""

    @abstractmethod
    def panes(self) -> Steps:
        """Return the arithmetic of these windows."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """At most how long a window lasts, in ms."""

    @property
    @abstractmethod
    def interval(self) -> int:
        """About how long after a window's end the next one ends, in ms."""

    @abstractmethod
    def shape(self) -> Any:
        """Return, as JSON, what kept cells depend on: state of another shape is another table's. Grace is no part."""

    @abstractmethod
    def words(self) -> str:
        """Return what they are, in words: `tumbling windows of 1m`."""

    def describe(self) -> dict[str, Any]:
        """Return the kind, its fields (durations in ms) and the windows in words, as JSON."""
        return {"kind": self.kind, **asdict(self), "text": self.text()}

    def text(self) -> str:
        """Return what they are and how long they stay open, in words."""
        return f"{self.words()}, grace {render(self.grace)}"
