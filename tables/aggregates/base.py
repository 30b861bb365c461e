"""What an aggregate is: state in columns, folded, merged and read a whole array at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tables.columns import Column

Rows = NDArray[np.intp]
Needs = Literal["number", "any", "condition", "nothing", "maybe"]
View = Mapping[str, Any]
"""The state columns of one aggregate by name, as `State.of` returns them: arrays indexed by row, or `RaggedColumn`s."""


@dataclass(frozen=True)
class Fixed:
    """A state column of one number a row: a numpy dtype such as `<i8`, and the value of a row that saw nothing."""

    dtype: str
    zero: int | float | bool = 0


@dataclass(frozen=True)
class Ragged:
    """A state column of any number of entries a row.

    Args:
        dtype: the numpy dtype of an entry, which may be structured.
        split: set where an entry is two numbers in one int64: the bits of the lower one. The entries of a row rise,
            none is negative, and they are written in as few bytes as both take (`tables.packing`).
    """

    dtype: str | tuple[tuple[str, str], ...]
    split: int | None = None


@dataclass(frozen=True)
class Objects:
    """A state column of one Python value a row (whatever JSON holds), encoded as JSON.

    Values are replaced, never changed in place: rows may share them.

    Args:
        extra: bytes of JSON that one event can add besides its value, for columns that hold several values.
    """

    extra: int = 0


@dataclass(frozen=True)
class Fold:
    """What one batch brings for one aggregate: only the rows for which `where` holds.

    Args:
        rows: shape (m,), the distinct state rows that are touched, unique.
        index: shape (n,), for every event its position in `rows`.
        values: the `of` column over the n events; None if the aggregate has no `of`. Nulls are still in it.
        time: shape (n,), event time in ms.
        offset: shape (n,), offset of the event in its input partition.
        by: the `by` column over the n events; None if the aggregate has no such expression.
    """

    rows: Rows
    index: Rows
    values: Column | None
    time: NDArray[np.int64]
    offset: NDArray[np.int64]
    by: Column | None = None


@dataclass(frozen=True)
class Bounds:
    """The windows of m rows, each `[start, end)`.

    Args:
        start: shape (m,), the first ms of each row's window.
        end: shape (m,), the ms after it.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def same(cls, start: int, end: int, m: int) -> Bounds:
        """Return the bounds of m rows of one window."""
        return cls(np.full(m, start, np.int64), np.full(m, end, np.int64))


@dataclass(frozen=True)
class Aggregate(ABC):
    """One aggregate of a table as it is declared; equal when it says the same. Its state is in a `tables.state.State`.

    Args:
        of: the expression whose values are aggregated, as text; None where the aggregate takes none.
        where: the expression that a row must hold to count, as text; None counts all.
    """

    kind: ClassVar[str]
    needs: ClassVar[Needs] = "number"
    """What `of` must be: a number, anything, a condition, not given, or optional anything."""
    gives: ClassVar[Literal["number", "of", "any"]] = "number"
    """What the result is: a number, what `of` is, or anything that JSON holds, such as a list."""
    expressions: ClassVar[tuple[str, ...]] = ("of", "where")
    """The arguments that are expressions. With `by` among them, a number, `Fold.by` has its values."""

    of: str | None = field(default=None)
    where: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a call that lacks what is aggregated, or says it in something else than text."""
        if self.of is None and self.needs in ("number", "any", "condition"):
            raise ValueError(f'{self.kind} needs what to aggregate; write for example {self.kind}("duration")')
        if self.of is not None and self.needs == "nothing":
            raise ValueError(f"{self.kind} aggregates no values, but got {self.of!r}; leave it out")
        for name in self.expressions:
            text: Any = getattr(self, name)
            if text is not None and not (isinstance(text, str) and text.strip()):
                raise ValueError(f'`{name}` of {self.kind} is an expression as text, such as "duration"; got {text!r}')

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return a few declared instances for the laws to run over; `of` is "x" where one is needed."""

    @abstractmethod
    def columns(self) -> Mapping[str, Fixed | Ragged | Objects]:
        """Return the state columns by name."""

    @abstractmethod
    def fold(self, state: View, fold: Fold) -> None:
        """Fold a batch of events into the state rows it touches."""

    @abstractmethod
    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Merge `other`'s rows `others` into `into`'s rows `rows`: same length, `rows` unique."""

    @abstractmethod
    def result(self, state: View, rows: Rows) -> Column:
        """Return the aggregate's value for each of `rows`, whatever window they belong to."""

    @property
    def needs_window(self) -> bool:
        """Whether the value depends on where the window begins and ends, so that a table without window has none."""
        return False

    def result_within(self, state: View, rows: Rows, bounds: Bounds) -> Column:
        """Return the aggregate's value for each of `rows` (m of them), whose windows have these bounds."""
        del bounds
        return self.result(state, rows)

    def describe(self) -> str:
        """Return the aggregate as one call of the expression grammar, which reads back as an equal object."""
        return render_call(self)


def render_call(aggregate: Aggregate) -> str:
    """Return `count(where="status >= 500")` for the equal aggregate."""
    parts: list[str] = []
    for name, parameter in signature(type(aggregate)).parameters.items():
        value: Any = getattr(aggregate, name)
        if value == parameter.default:
            continue
        text = _literal(value)
        parts.append(f"{name}={text}" if parameter.kind is parameter.KEYWORD_ONLY else text)
    return f"{aggregate.kind}({', '.join(parts)})"


def _literal(value: Any) -> str:
    """Return a value as the expression grammar writes it."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value).lower() if isinstance(value, bool) else repr(value)
