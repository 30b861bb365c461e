"""Prometheus' notation of series: every form, in any mixture, against the numbers written out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ruletests.series import parse

WHOLE = st.integers(-1000, 1000)
TIMES = st.integers(0, 20)


def steps(first: int, step: int, times: int) -> tuple[str, list[int | None]]:
    """Return `a+bxn` and what it says."""
    numbers: list[int | None] = [first]
    for _ in range(times):
        numbers.append((numbers[-1] or 0) + step)
    return f"{first}{step:+d}x{times}", numbers


ITEMS = st.one_of(
    st.builds(steps, WHOLE, WHOLE, TIMES),
    st.builds(lambda number, times: (f"{number}x{times}", [number] * (times + 1)), WHOLE, TIMES),
    st.builds(lambda number: (str(number), [number]), WHOLE),
    st.builds(lambda times: (f"_x{times}", [None] * times), st.integers(1, 20)),
    st.sampled_from([("_", [None]), ("stale", [None])]),
)


@given(st.lists(ITEMS, max_size=8), st.sampled_from([" ", "  ", "\n"]))
def test_what_is_written_is_read(items: list[tuple[str, list[int | None]]], between: str) -> None:
    """Items follow each other, whatever they are."""
    expected = [number for _, numbers in items for number in numbers]
    assert parse(between.join(text for text, _ in items)) == tuple(expected)


def test_the_examples_of_prometheus() -> None:
    """The examples of promtool's own documentation."""
    assert parse("-2+4x3") == (-2, 2, 6, 10)
    assert parse("1-2x4") == (1, -1, -3, -5, -7)
    assert parse("1x4") == (1, 1, 1, 1, 1)
    assert parse("1 _x3 stale") == (1, None, None, None, None)


def test_fractions_and_exponents() -> None:
    """Floats stay floats, whole numbers stay whole."""
    assert parse("0.5+0.25x2 1e3 .5 7") == (0.5, 0.75, 1.0, 1000.0, 0.5, 7)
    assert isinstance(parse("7")[0], int)


@pytest.mark.parametrize(
    "text", ["a", "1+2", "1+2x", "x3", "1 + 2", "NaN", "Inf", "1x2x3", "__", "{{schema:1}}", "1e999"]
)
def test_other_text_is_refused(text: str) -> None:
    """What is no series is refused with an example, or with what is wrong."""
    with pytest.raises(ValueError, match=r"is not a series such as|is too large"):
        parse(text)


@pytest.mark.parametrize("text", ["1x1000000", "_x1000001", "1x999999 _"])
def test_no_series_is_endless(text: str) -> None:
    """A few characters cannot fill the memory."""
    with pytest.raises(ValueError, match="at most 1,000,000 numbers"):
        parse(text)
