"""Which windows of a number of rows a batch fills, against a count of rows one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.unaligned.filling import filling

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), min_size=1, max_size=40)


@given(given_=rows, size=st.integers(1, 5), had=st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_rows_fill_windows_in_their_order(given_: list[tuple[int, int]], size: int, had: list[int]) -> None:
    """Each window has its rows, and knows the first, the last, their times, and whether it was there or is full."""
    before = [count % size for count in had]
    codes, times = (np.array(part, np.int64) for part in zip(*given_, strict=True))
    made = filling(codes, times, np.array(before)[codes], size)
    windows: dict[tuple[int, int], list[int]] = {}
    count = list(before)
    for at, (code, _) in enumerate(given_):
        windows.setdefault((code, count[code] // size), []).append(at)
        count[code] += 1
    found = []
    for number in range(len(made)):
        mine = np.flatnonzero(made.of_row == number).tolist()
        found.append(mine)
        code = int(made.code[number])
        assert {code} == {given_[at][0] for at in mine}
        assert (made.began[number], made.filled[number], made.count[number]) == (mine[0], mine[-1], len(mine))
        at_times = [given_[at][1] for at in mine]
        assert (made.first[number], made.last[number]) == (min(at_times), max(at_times))
        turn = next(turn for (key, turn), each in windows.items() if each == mine and key == code)
        assert made.goes_on[number] == (turn == 0 and before[code] > 0)
        assert made.full[number] == (len(mine) + (before[code] if turn == 0 else 0) == size)
    assert sorted(found) == sorted(windows.values())
