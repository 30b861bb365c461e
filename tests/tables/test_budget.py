"""How the memory of a worker is shared by its table partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tables.budget import Budget

bytes_ = st.integers(0, 5_000)


@given(size=bytes_, used=st.lists(bytes_, min_size=1, max_size=8))
def test_who_keeps_to_it_is_within_the_budget(size: int, used: list[int]) -> None:
    """If each takes at most what it may, all together take at most the budget, whatever each would like."""
    budget = Budget(size)
    shares = [budget.share() for _ in used]
    for share, wanted in zip(shares, used, strict=True):
        share.used = wanted
    for share in shares:
        share.used = min(share.used, share.allowed)
    assert sum(share.used for share in shares) <= size


@given(size=bytes_, used=st.lists(bytes_, min_size=1, max_size=8))
def test_an_equal_part_is_for_everyone(size: int, used: list[int]) -> None:
    """Nobody gets less than an equal part, and what others leave of theirs is to be had."""
    budget = Budget(size)
    mine, *others = [budget.share() for _ in (0, *used)]
    for share, taken in zip(others, used, strict=True):
        share.used = taken
    equal = size // (len(used) + 1)
    assert mine.allowed >= equal
    assert mine.allowed >= size - sum(max(taken, 0) for taken in used)


def test_who_leaves_gives_its_part_back() -> None:
    """The share of a partition that went elsewhere counts no more."""
    budget = Budget(90)
    one, other = budget.share(), budget.share()
    one.used = other.used = 60
    assert one.allowed == 45
    other.end()
    assert one.allowed == 90
