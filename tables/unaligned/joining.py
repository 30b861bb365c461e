"""Which rows of a batch, and which open sessions, are one session.

A row joins a session of its key when it is at most the gap away from its first or last row; one that joins two makes
them one. Rows that are at most the grace late may come in any order for that: their sessions are the rows in order of
time, cut where more than the gap lies between two. A row that is later than that may meet a session that is closed
for it, which it does not join; the rows of such keys are taken one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.unaligned.pairs import pairs

if TYPE_CHECKING:
    from tables.aggregates.base import Rows

Ints = NDArray[np.int64]
ALONE = -1
"""What an open session becomes part of that no row joins."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Open sessions: from their first to their last row, both included. Of one key they do not overlap.

    Args:
        code: shape (s,), key codes.
        first: shape (s,), event time of the first row, ms.
        last: shape (s,), event time of the last row, ms.
    """

    code: Ints
    first: Ints
    last: Ints

    def take(self, at: Rows) -> Spans:
        """Return some of them."""
        return Spans(self.code[at], self.first[at], self.last[at])


@dataclass(frozen=True, slots=True)
class Joined:
    """What becomes of a batch: m sessions that it touches.

    Args:
        of_row: shape (n,), for each row the session that it joins or begins.
        of_open: shape (s,), for each session that was open the one that it becomes part of, or `ALONE`.
        first: shape (m,), event time of the first row of each, the rows that it had among them.
        last: shape (m,), event time of the last one.
    """

    of_row: Rows
    of_open: Rows
    first: Ints
    last: Ints

    def __len__(self) -> int:
        """Return the number of sessions that are touched."""
        return len(self.first)


def joined(codes: Ints, time: Ints, counts_from: Ints, opened: Spans, gap: int) -> Joined:
    """Return which sessions n > 0 rows make of those that are open.

    Args:
        codes: shape (n,), key codes.
        time: shape (n,), event times in ms.
        counts_from: shape (n,), the least end of a session that is still open for each row; of one key never falling.
        opened: the open sessions of these keys, sorted by key code and time.
        gap: most ms between two rows of a session.
    """
    late = np.flatnonzero(counts_from > time + 1)
    if not len(late):
        return _in_any_order(codes, time, opened, gap)
    slow = np.unique(codes[late])
    row, span = np.isin(codes, slow), np.isin(opened.code, slow)
    one_by_one = _in_order(codes[row], time[row], counts_from[row], opened.take(np.flatnonzero(span)), gap)
    if row.all():
        others = Joined(*(np.empty(0, np.int64) for _ in range(4)))
    else:
        others = _in_any_order(codes[~row], time[~row], opened.take(np.flatnonzero(~span)), gap)
    return _both(row, span, one_by_one, others)


def _both(row: NDArray[np.bool_], span: NDArray[np.bool_], some: Joined, others: Joined) -> Joined:
    """Return what becomes of all: `some` of the masked rows and sessions, `others` of the rest."""
    of_row, of_open = np.empty(len(row), np.intp), np.full(len(span), ALONE, np.intp)
    of_row[row], of_row[~row] = some.of_row, others.of_row + len(some)
    of_open[span] = some.of_open
    if len(others):
        of_open[~span] = np.where(others.of_open == ALONE, ALONE, others.of_open + len(some))
    return Joined(of_row, of_open, np.concatenate((some.first, others.first)), np.concatenate((some.last, others.last)))


def _in_any_order(codes: Ints, time: Ints, opened: Spans, gap: int) -> Joined:
    """Return the same for rows whose order of arrival does not matter."""
    order = np.argsort(pairs((codes, time))[0])
    code, at = codes[order], time[order]
    begins = np.ones(len(code), bool)
    begins[1:] = (code[1:] != code[:-1]) | (at[1:] - at[:-1] > gap)
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(code)) - 1
    run_of_row = np.empty(len(code), np.intp)
    run_of_row[order] = np.cumsum(begins) - 1
    runs = Spans(code[starts], at[starts], at[ends])
    if not len(opened.code):
        return Joined(run_of_row, np.empty(0, np.intp), runs.first, runs.last)
    lo, hi = _reached(runs, opened, gap)
    return _linked(run_of_row, runs, opened, lo, hi)


def _reached(runs: Spans, opened: Spans, gap: int) -> tuple[Rows, Rows]:
    """Return for each run the half-open range of the open sessions that it is at most the gap away from."""
    first, last, earliest, latest = pairs(
        (opened.code, opened.first),
        (opened.code, opened.last),
        (runs.code, runs.first - gap),
        (runs.code, runs.last + gap),
    )
    return np.searchsorted(last, earliest, "left"), np.searchsorted(first, latest, "right")


def _linked(run_of_row: Rows, runs: Spans, opened: Spans, lo: Rows, hi: Rows) -> Joined:
    """Return what runs become with the open sessions in their reach: runs that share one are one session."""
    some = lo < hi
    begins = np.ones(len(lo), bool)
    begins[1:] = ~(some[1:] & some[:-1] & (lo[1:] < hi[:-1]))
    number, starts = np.cumsum(begins) - 1, np.flatnonzero(begins)
    first, last = np.minimum.reduceat(runs.first, starts), np.maximum.reduceat(runs.last, starts)
    of_open = np.full(len(opened.code), ALONE, np.intp)
    lengths = np.where(some, hi - lo, 0)
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    reached, by = np.repeat(lo, lengths) + steps, np.repeat(number, lengths)
    of_open[reached] = by
    np.minimum.at(first, by, opened.first[reached])
    np.maximum.at(last, by, opened.last[reached])
    return Joined(number[run_of_row], of_open, first, last)


class _Session:
    """A session while rows are taken one after the other; `into` is what it was merged into."""

    __slots__ = ("first", "into", "last", "touched")

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.into: _Session | None = None
        self.touched = False

    def whole(self) -> _Session:
        """Return the session that this one has become part of."""
        found = self
        while found.into is not None:
            found = found.into
        return found

    def add(self, first: int, last: int) -> None:
        self.first, self.last, self.touched = min(self.first, first), max(self.last, last), True


def _in_order(codes: Ints, time: Ints, counts_from: Ints, opened: Spans, gap: int) -> Joined:
    """Return the same, one row after the other."""
    known = [_Session(*span) for span in zip(opened.first.tolist(), opened.last.tolist(), strict=True)]
    by_key: dict[int, list[_Session]] = {}
    for code, session in zip(opened.code.tolist(), known, strict=True):
        by_key.setdefault(code, []).append(session)
    mine = []
    for code, at, least in zip(codes.tolist(), time.tolist(), (counts_from - gap - 1).tolist(), strict=True):
        there = [session for session in by_key.get(code, ()) if session.last >= least]
        near = [session for session in there if session.first - gap <= at <= session.last + gap]
        if near:
            session, *others = near
        else:
            session, others = _Session(at, at), []
            there.append(session)
        session.add(at, at)
        for other in others:
            session.add(other.first, other.last)
            other.into = session
        by_key[code] = [each for each in there if each.into is None] if others else there
        mine.append(session)
    return _numbered([session.whole() for session in mine], [session.whole() for session in known])


def _numbered(mine: list[_Session], known: list[_Session]) -> Joined:
    """Return sessions by number: those of the rows, and those that the known ones became part of."""
    whole = list({id(session): session for session in mine}.values())
    number = {id(session): at for at, session in enumerate(whole)}
    return Joined(
        np.array([number[id(session)] for session in mine], np.intp),
        np.array([number.get(id(session), ALONE) for session in known], np.intp),
        np.array([session.first for session in whole], np.int64),
        np.array([session.last for session in whole], np.int64),
    )
