"""Which rows become one session: against rows taken one by one, each compared with every session of its key."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.unaligned.joining import ALONE, Joined, Spans, joined

GAP = 10
Session = list[tuple[str, int]]
"""(`row` or `open`, its position) of what belongs together."""
rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 80), st.integers(-60, 30)), min_size=1, max_size=25)
spans = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90), st.integers(0, 15)), max_size=6)


def apart(drawn: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return those of the drawn spans, (key, first, last), by key and time, that do not overlap one before."""
    found: list[tuple[int, int, int]] = []
    for key, first, length in sorted(drawn):
        if not found or found[-1][0] != key or first > found[-1][2]:
            found.append((key, first, first + length))
    return found


def one_by_one(events: list[tuple[int, int, int]], opened: list[tuple[int, int, int]]) -> list[Session]:
    """Return the sessions that rows (key, time, least end that is open) touch."""
    sessions = [(key, [first, last], [("open", at)]) for at, (key, first, last) in enumerate(opened)]
    for at, (key, time, least) in enumerate(events):
        near = [
            session
            for session in sessions
            if session[0] == key
            and session[1][-1] + GAP + 1 >= least
            and session[1][0] - GAP <= time <= session[1][-1] + GAP
        ]
        times = sorted([time, *(each for _, span, _ in near for each in span)])
        members = [member for _, _, of in near for member in of]
        sessions = [session for session in sessions if session not in near]
        sessions.append((key, [times[0], times[-1]], [*members, ("row", at)]))
    return sorted(sorted(members) for _, _, members in sessions if any(kind == "row" for kind, _ in members))


def groups(made: Joined) -> list[Session]:
    """Return the same of what was made."""
    found: list[Session] = [[] for _ in range(len(made))]
    for at, number in enumerate(made.of_open.tolist()):
        if number != ALONE:
            found[number].append(("open", at))
    for at, number in enumerate(made.of_row.tolist()):
        found[number].append(("row", at))
    return sorted(sorted(members) for members in found)


@settings(max_examples=400)
@given(drawn=rows, opened=spans)
def test_sessions_are_those_of_rows_taken_one_by_one(
    drawn: list[tuple[int, int, int]], opened: list[tuple[int, int, int]]
) -> None:
    """Rows join what is near and open for them, and begin or merge sessions, in whatever order and however late."""
    known, least, events = apart(opened), -100, []
    for key, time, wanted in drawn:
        least = max(least, wanted)
        if time + GAP + 1 >= least:
            events.append((key, time, least))
    if not events:
        return
    codes, time, counts = (np.array(column, np.int64) for column in zip(*events, strict=True))
    code, first, last = (np.array([span[i] for span in known], np.int64) for i in range(3))
    made = joined(codes, time, counts, Spans(code, first, last), GAP)
    assert groups(made) == one_by_one(events, known)
    for number in range(len(made)):
        times = [*time[made.of_row == number], *first[made.of_open == number], *last[made.of_open == number]]
        assert (made.first[number], made.last[number]) == (min(times), max(times))
